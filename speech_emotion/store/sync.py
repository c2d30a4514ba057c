"""A bucket's store onto a folder that a model server reads: whole, verified versions only, then their labels."""

from __future__ import annotations

import tempfile
from pathlib import Path

from speech_emotion.store.base import CONFIG, Store
from speech_emotion.store.config import replace_text
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.manifest import Manifest


def sync(source: Store, target: Path) -> list[str]:
    """Bring `target` up to `source`; returns what changed, as `+name/version` and `-name/version`.

    Versions come first, labels next, deletions last: no label ever names a version that is not there. Raises
    DamagedVersionError for a version that is not what its manifest says, which is then not shown.
    """
    folder = FolderStore(target)
    target.mkdir(parents=True, exist_ok=True)
    config = source.read_config()
    changes = []
    wanted = {name: set(source.versions(name)) for name in source.models()}
    for name, numbers in wanted.items():
        for number in sorted(numbers - set(folder.versions(name))):
            with tempfile.TemporaryDirectory(dir=target, prefix=".fetch-") as temporary:
                fetched = source.fetch(name, number, Path(temporary) / str(number))
                folder.put(name, number, fetched, source.manifest(name, number) or Manifest.of(fetched))
            changes.append(f"+{name}/{number}")
    if config.token is not None and folder.read_config().render() != config.render():
        replace_text(target / CONFIG, config.render())
        changes.append(CONFIG)
    for name in folder.models():
        labelled = set(config.labels(name).values())  # the next look takes it, once no label names it
        for number in sorted(set(folder.versions(name)) - wanted.get(name, set()) - labelled):
            folder.delete(name, number)
            changes.append(f"-{name}/{number}")
    return changes
