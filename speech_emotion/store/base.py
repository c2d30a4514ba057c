"""What a model store can do, wherever it lies: the few steps that differ, and what follows from them."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf import text_format

from speech_emotion.errors import StoreError
from speech_emotion.protos import model_server_config_pb2
from speech_emotion.store.config import parse_config
from speech_emotion.store.contention import until_undisturbed
from speech_emotion.store.errors import ConflictError, NoSuchVersionError
from speech_emotion.store.history import Move, parse_history, parse_leaving, render_history, render_leaving
from speech_emotion.store.manifest import Manifest
from speech_emotion.store.names import checked_name

CONFIG = "models.config"
CLAIMS = ".claims"
QUARANTINE = ".quarantine"
GRAPHS = ("saved_model.pb", "saved_model.pbtxt")
"""One of these files makes a folder a SavedModel: servers load no other."""
MOUNT = "/models"
"""Where servers mount a store unless its `models.config` already says otherwise."""


@dataclass(frozen=True)
class StoreConfig:
    """`models.config` as it was read.

    Attributes:
        models: TensorFlow Serving's part, with the labels.
        history: every move of a label, oldest first.
        leaving: model and number of versions that are being taken out of the store; no label may come to them.
        token: what a swap must show; none where there is no file yet.
    """

    models: model_server_config_pb2.ModelServerConfig
    history: tuple[Move, ...] = ()
    leaving: frozenset[tuple[str, int]] = frozenset()
    token: str | None = None

    @classmethod
    def parse(cls, text: str, token: str) -> StoreConfig:
        """From the file's text. Raises StoreError if it is not a configuration, or a model's name is refused."""
        models = parse_config(text)
        for model in models.model_config_list.config:
            checked_name(model.name)
        return cls(models, parse_history(text), parse_leaving(text), token)

    def render(self) -> str:
        """The file's text: what is the store's own as comments, then TensorFlow Serving's ModelServerConfig."""
        comments = render_history(self.history) + render_leaving(self.leaving)
        return comments + str(text_format.MessageToString(self.models))

    def labels(self, name: str) -> dict[str, int]:
        """Labels of the model, empty where it is not configured."""
        model = self._find(name)
        return dict(model.version_labels) if model else {}

    def entry(self, name: str) -> model_server_config_pb2.ModelConfig:
        """The model's entry, added with the version policy `all` where there is none."""
        model = self._find(checked_name(name))
        if model is None:
            others = [Path(other.base_path).parent.as_posix() for other in self.models.model_config_list.config]
            model = self.models.model_config_list.config.add(
                name=name, base_path=f"{others[0] if others else MOUNT}/{name}", model_platform="tensorflow"
            )
            model.model_version_policy.all.SetInParent()
        return model

    def _find(self, name: str) -> model_server_config_pb2.ModelConfig | None:
        return next((model for model in self.models.model_config_list.config if model.name == name), None)


class Store(ABC):
    """A model store. A version is a SavedModel and came in whole; a number is never given twice."""

    location: str

    @abstractmethod
    def read_config(self) -> StoreConfig:
        """The configuration; an empty one with no token where there is none yet."""

    @abstractmethod
    def swap_config(self, config: StoreConfig) -> None:
        """Replace the configuration in one step. Raises ConflictError if it is not that of `config.token` any more."""

    @abstractmethod
    def models(self) -> list[str]:
        """Names of the models that have a folder."""

    @abstractmethod
    def held(self, name: str) -> list[int]:
        """Numbers under which servers or copies find anything, be it a version or the rest of one, ascending."""

    @abstractmethod
    def versions(self, name: str) -> list[int]:
        """Those of them that hold a SavedModel, which a label may name."""

    @abstractmethod
    def claim(self, name: str, number: int) -> bool:
        """Take a number for oneself, for good; false if it was taken before, by whomever."""

    @abstractmethod
    def put(self, name: str, number: int, source: Path, manifest: Manifest) -> None:
        """Bring a version in under a claimed number: it appears whole, or not at all."""

    @abstractmethod
    def read(self, name: str, number: int, path: str) -> bytes | None:
        """One file of a version, none where it has no such file."""

    @abstractmethod
    def fetch(self, name: str, number: int, target: Path) -> Path:
        """The version as a local folder (at `target` if it is not one already), checked against its manifest.

        Raises NoSuchVersionError, also for what is no SavedModel; DamagedVersionError.
        """

    @abstractmethod
    def set_aside(self, name: str, number: int, reason: str) -> None:
        """Move a version to where no server looks, labelled or not: `withdraw.quarantine` looks at labels first."""

    @abstractmethod
    def delete(self, name: str, number: int) -> None:
        """Delete a version, labelled or not (`prune.remove` looks first): servers never see a part of it."""

    @abstractmethod
    def numbers(self, name: str) -> set[int]:
        """Every number that was ever claimed, or is there without a claim."""

    @abstractmethod
    def sweep(self, name: str, older_than_s: float) -> int:
        """Delete what broken-off publications left, and say how many; younger ones may still be at work."""

    def fingerprint(self) -> str | None:
        """What changes with the versions and the labels; none where only a look at all of them tells."""
        return None

    def manifest(self, name: str, number: int) -> Manifest | None:
        """The manifest; none for a version of a folder that was put there by hand."""
        text = self.read(name, number, "manifest.json")
        return Manifest.from_json(text) if text is not None else None

    def require_staying(self, config: StoreConfig, name: str, number: int) -> None:
        """Raise NoSuchVersionError unless the version is there, whole, and not being taken out of the store."""
        self.require(name, number)
        if (name, number) in config.leaving:
            raise NoSuchVersionError(f"version {number} of {name} is being removed from {self.location}")

    def require_model(self, name: str) -> None:
        """Raise StoreError unless this is a store, NoSuchVersionError unless it has a model of that name."""
        if self.read_config().token is None:
            raise StoreError(f"{self.location} is not a model store: it has no {CONFIG}")
        found = [model for model in self.models() if self.held(model)]
        if name not in found:
            raise NoSuchVersionError(f"{self.location} has no model {name} (there: {', '.join(found) or 'none'})")

    def require(self, name: str, number: int) -> None:
        """Raise NoSuchVersionError unless the version is there, and a SavedModel."""
        if number in self.versions(name):
            return
        self.require_held(name, number)
        raise NoSuchVersionError(
            f"{self.location}: version {number} of {name} is no SavedModel, as it has no {GRAPHS[0]}"
        )

    def require_held(self, name: str, number: int) -> None:
        """Raise NoSuchVersionError unless there is anything under the number."""
        found = self.held(name)
        if number not in found:
            there = ", ".join(map(str, found)) or "none"
            raise NoSuchVersionError(f"{self.location} has no version {number} of {name} (there: {there})")

    def update(self, change: Callable[[StoreConfig], StoreConfig]) -> StoreConfig:
        """Change the configuration by compare-and-swap: `change` is asked anew whenever somebody was faster.

        Raises what `change` does, and ConflictError if others are faster for a minute.
        """

        def attempt() -> StoreConfig | None:
            read = self.read_config()
            # A copy: the message is mutable, and what was read must stay what it was.
            copy = model_server_config_pb2.ModelServerConfig.FromString(read.models.SerializeToString())
            changed = change(replace(read, models=copy))
            if changed.render() == read.render() and read.token is not None:
                return read
            with contextlib.suppress(ConflictError):
                self.swap_config(changed)
                return changed
            return None

        return until_undisturbed(attempt, f"{self.location}/{CONFIG}")
