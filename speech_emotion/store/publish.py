"""A SavedModel folder into the store as the next version."""

from __future__ import annotations

from pathlib import Path

from speech_emotion.errors import StoreError
from speech_emotion.store.base import GRAPHS, Store, StoreConfig
from speech_emotion.store.manifest import Manifest


def publish(store: Store, name: str, source: Path) -> int:
    """Bring the SavedModel `source` in whole, under the next number, and return it; no label names it yet.

    A version that the store holds already, file by file, is not brought in again: its number comes back, so that a
    step which was killed after its work is safe to run again. Raises StoreError; a break at any point leaves no part
    of a version, at most a number that nobody gets any more and a hidden folder that `prune` sweeps away.
    """
    require_saved_model(source)
    manifest = Manifest.of(source)
    number = _existing(store, name, manifest) or _claim(store, name)
    if number not in store.versions(name):
        store.put(name, number, source, manifest)
    # Servers look only at models that are configured; the version policy is `all`.
    store.update(lambda config: _configured(config, name))
    return number


def require_saved_model(folder: Path) -> None:
    """Raise StoreError for a folder that is no SavedModel."""
    if not (folder / GRAPHS[0]).is_file():
        raise StoreError(f"{folder} is not a SavedModel: it has no {GRAPHS[0]}")


def _existing(store: Store, name: str, manifest: Manifest) -> int | None:
    leaving = store.read_config().leaving
    for number in reversed(store.versions(name)):
        if (name, number) in leaving:
            continue
        held = store.manifest(name, number)
        if held is not None and held.digest == manifest.digest:
            return number
    return None


def _claim(store: Store, name: str) -> int:
    number = max(store.numbers(name), default=0) + 1
    while not store.claim(name, number):
        number += 1
    return number


def _configured(config: StoreConfig, name: str) -> StoreConfig:
    config.entry(name)
    return config
