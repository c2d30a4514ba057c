"""Takes a version out of a store, but never one that is needed.

First `models.config` marks the version as leaving, by compare-and-swap: from then on no label can come to it. Then it
goes, and with it the mark. A process that dies in between leaves a version that no label can name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from speech_emotion.store.base import Store, StoreConfig
from speech_emotion.store.errors import InUseError

Needed = Callable[[StoreConfig], str | None]


def quarantine(store: Store, name: str, number: int, reason: str) -> None:
    """Move a version to where no server looks, with the reason beside it. Raises InUseError if a label names it."""
    with leaving(store, name, number, lambda config: _labelled(config, name, number)):
        store.set_aside(name, number, reason)


@contextmanager
def leaving(store: Store, name: str, number: int, needed: Needed) -> Iterator[None]:
    """Keep labels away from the version while the block takes it out of the store.

    `needed` says why the version must stay, if it must, and is asked anew for each configuration that somebody else
    wrote meanwhile. Raises InUseError.
    """

    def mark(config: StoreConfig) -> StoreConfig:
        reason = needed(config)
        if reason is not None:
            raise InUseError(f"version {number} of {name} stays: {reason}")
        return replace(config, leaving=config.leaving | {(name, number)})

    def forget(config: StoreConfig) -> StoreConfig:
        held = set(store.held(name))
        return replace(config, leaving=frozenset((m, n) for m, n in config.leaving if m != name or n in held))

    if store.read_config().token is None:  # without a configuration there are no labels
        yield
        return
    store.update(mark)
    yield
    store.update(forget)


def _labelled(config: StoreConfig, name: str, number: int) -> str | None:
    labels = sorted(label for label, labelled in config.labels(name).items() if labelled == number)
    return f"it is {' and '.join(labels)}" if labels else None
