"""A store's copy in a folder that a model server reads: whole, verified versions, then labels, deletions last."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from speech_emotion.errors import StoreError
from speech_emotion.store.base import CONFIG, Store, StoreConfig
from speech_emotion.store.config import replace_text
from speech_emotion.store.errors import DamagedVersionError, NoRoomError, NoSuchVersionError
from speech_emotion.store.folder import FolderStore

LINGER_S = 300.0
"""Seconds for which a version stays after its label left: servers answer with it until they have loaded the next."""
Version = tuple[str, int]


def sync(source: Store, target: Path) -> list[str]:
    """Bring `target` up to `source`; returns and raises as `Copy.changes` does."""
    return list(Copy(target).changes(source))


class Copy:
    """The copy of one store in a folder; one process at a time writes to it.

    `max_bytes` is what the folder may hold, a version on its way in included; none: as much as the disk.
    """

    def __init__(self, target: Path, *, max_bytes: int | None = None) -> None:
        self.folder = FolderStore(target)
        self._max_bytes = max_bytes
        self._freed: dict[Version, float] = {}
        self.lingering = False
        """Whether versions wait to be deleted."""

    @property
    def begun(self) -> bool:
        """Whether labels are there: they come once every version of the store was there."""
        return self.folder.read_config().token is not None

    def lacks(self, models: list[str]) -> list[str]:
        """Those of the models that have no version here."""
        return [name for name in models if not self.folder.versions(name)]

    def sweep(self) -> None:
        """Delete what a process that was killed left behind."""
        if self.folder.root.exists():
            for name in self.folder.models():
                self.folder.sweep(name, -1.0)

    def changes(self, source: Store) -> Iterator[str]:
        """Bring the folder up to the store; yields each change, as `+name/version`, `models.config`, `-name/version`.

        A version that cannot come in is left out, and the rest is done: labels follow unless one of them names such a
        version, and nothing that a label names is deleted. The errors are raised at the end.

        Raises: StoreError, if the store is away or is not a store; nothing is deleted then. DamagedVersionError for a
        version that does not match its manifest or is another one than here; NoRoomError.
        """
        config = _read(source)
        # What is held, versions or not: a damaged one is to be told, not overlooked.
        wanted = {name: set(source.held(name)) for name in source.models()}
        self.folder.root.mkdir(parents=True, exist_ok=True)
        problems: list[StoreError] = []
        if self.begun:
            yield from self._follow_labels(config)
        for name, number in self._to_fetch(source, wanted, config, problems):
            try:
                self._fetch(source, name, number)
            except NoSuchVersionError:
                continue  # deleted meanwhile: the next look sees a later state
            except (DamagedVersionError, NoRoomError) as error:
                problems.append(error)
                continue
            yield f"+{name}/{number}"
            if self.begun:
                yield from self._follow_labels(_read(source))
        config = _read(source)
        yield from self._follow_labels(config)
        problems += [] if problems else _broken_labels(source, config)
        yield from self._delete(wanted)
        if problems:
            raise problems[0] if len(problems) == 1 else StoreError("; ".join(map(str, problems)))

    def _to_fetch(
        self, source: Store, wanted: dict[str, set[int]], config: StoreConfig, problems: list[StoreError]
    ) -> list[Version]:
        """Versions that are missing, labelled ones first; one whose number names another version is a problem."""
        missing = []
        for name, numbers in wanted.items():
            here = set(self.folder.versions(name))
            missing += [(number not in config.labels(name).values(), name, number) for number in numbers - here]
            for number in sorted(numbers & here):
                own, theirs = self.folder.manifest(name, number), source.manifest(name, number)
                if own and theirs and own.digest != theirs.digest:
                    message = f"{source.location}: version {number} of {name} is not the one that was copied before; "
                    problems.append(DamagedVersionError(message + "a number names one version: start with no copy"))
        return [(name, number) for _, name, number in sorted(missing)]

    def _fetch(self, source: Store, name: str, number: int) -> None:
        manifest = source.manifest(name, number)
        if manifest is None:
            raise NoSuchVersionError(f"{source.location} has no version {number} of {name}")
        if self._max_bytes is not None and (held := self.folder.size()) + manifest.size > self._max_bytes:
            raise NoRoomError(
                f"version {number} of {name} has {manifest.size} bytes, and {self.folder.location} holds {held} of at "
                f"most {self._max_bytes}: allow more, or delete versions that are not needed (ser models prune)"
            )
        with self.folder.incoming(name, number, manifest) as incoming:
            fetched = source.fetch(name, number, incoming)
            if fetched != incoming:
                shutil.copytree(fetched, incoming, dirs_exist_ok=True)
            if number in self.folder.held(name):  # somebody deleted a part of it
                self.folder.delete(name, number)

    def _follow_labels(self, config: StoreConfig) -> Iterator[str]:
        """Take the store's labels over, if each names a version that is here."""
        old = self.folder.read_config()
        here = {name: self.folder.versions(name) for name, _ in _labelled(config)}
        if old.render() == config.render() or any(number not in here[name] for name, number in _labelled(config)):
            return
        replace_text(self.folder.root / CONFIG, config.render())
        for version in set(_labelled(old)) - set(_labelled(config)):
            self._freed[version] = time.monotonic()
        yield CONFIG

    def _delete(self, wanted: dict[str, set[int]]) -> Iterator[str]:
        """Delete what the store no longer has, unless a label names it here, or did so a short time ago."""
        now = time.monotonic()
        self._freed = {version: at for version, at in self._freed.items() if now - at < LINGER_S}
        labelled = set(_labelled(self.folder.read_config()))
        self.lingering = False
        for name in self.folder.models():
            for number in sorted(set(self.folder.held(name)) - wanted.get(name, set())):
                if (name, number) in labelled:
                    continue
                if (name, number) in self._freed:
                    self.lingering = True
                    continue
                self.folder.delete(name, number)
                yield f"-{name}/{number}"


def _read(source: Store) -> StoreConfig:
    config = source.read_config()
    if config.token is None:
        raise StoreError(f"{source.location} is not a model store: it has no {CONFIG}; `ser models publish` creates it")
    return config


def _broken_labels(source: Store, config: StoreConfig) -> list[StoreError]:
    """An error for each label that names no version; one that came during this look is taken at the next."""
    return [
        NoSuchVersionError(f"{source.location}: a label of {name} names version {number}, which is not there")
        for name, number in sorted(set(_labelled(config)))
        if number not in source.versions(name)
    ]


def _labelled(config: StoreConfig) -> Iterator[Version]:
    for model in config.models.model_config_list.config:
        for number in model.version_labels.values():
            yield model.name, number
