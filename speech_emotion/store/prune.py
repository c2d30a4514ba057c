"""Deletes versions that nothing needs any more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from speech_emotion.store.base import Store, StoreConfig
from speech_emotion.store.errors import InUseError, NoSuchVersionError
from speech_emotion.store.labels import STABLE, dangling, predecessor
from speech_emotion.store.withdraw import leaving

GRACE_S = 3600.0
"""A version younger than this may still be under check; one unlabelled for less may still have calls in flight."""


@dataclass(frozen=True)
class Pruned:
    """Versions deleted, and leftovers of broken-off publications swept away."""

    removed: list[int]
    swept: int


def kept(store: Store, config: StoreConfig, name: str) -> dict[int, str]:
    """Versions that may not go, each with the reason."""
    reasons = {number: f"it is {label}" for label, number in config.labels(name).items()}
    before = predecessor(store, config, name)
    if before is not None:
        reasons.setdefault(before, "it is the predecessor of stable, which a rollback goes to")
    return reasons


def prune(store: Store, name: str, *, grace_s: float = GRACE_S, dry_run: bool = False) -> Pruned:
    """Delete every version but stable, its predecessor, canary, and what is younger than `grace_s`.

    What is no SavedModel goes too. Raises NoSuchVersionError if `stable` names a version that is not there: any of
    those that would go may be the one to take its place.
    """
    config = store.read_config()
    if (gone := dangling(store, config, name).get(STABLE)) is not None:
        raise NoSuchVersionError(
            f"{store.location}: {STABLE} of {name} names version {gone}, which is not there: "
            "move it to another version first"
        )
    needed = kept(store, config, name)
    recent = {move.before for move in config.history if move.model == name and _age_s(move.at) < grace_s}
    removed = [
        number
        for number in store.held(name)
        if number not in needed and number not in recent and _published_s_ago(store, name, number) >= grace_s
    ]
    if dry_run:
        return Pruned(removed, 0)
    swept = store.sweep(name, grace_s)  # first: a lock that was left behind would keep every removal waiting
    return Pruned(remove_all(store, name, removed), swept)


def remove_all(store: Store, name: str, numbers: Iterable[int]) -> list[int]:
    """Delete these versions, and say which: one that got a label meanwhile stays, one that is gone is passed over."""
    removed = []
    for number in numbers:
        with contextlib.suppress(InUseError, NoSuchVersionError):
            remove(store, name, number)
            removed.append(number)
    return removed


def require_unused(store: Store, name: str, number: int) -> None:
    """Raise InUseError if a label names the version or a rollback would, NoSuchVersionError if it is not there."""
    store.require_held(name, number)
    reason = kept(store, store.read_config(), name).get(number)
    if reason is not None:
        raise InUseError(f"version {number} of {name} stays: {reason}")


def remove(store: Store, name: str, number: int) -> None:
    """Delete one version; raises as `require_unused` does, also where a label comes to it at this moment."""
    store.require_held(name, number)
    with leaving(store, name, number, lambda config: kept(store, config, name).get(number)):
        store.delete(name, number)


def _published_s_ago(store: Store, name: str, number: int) -> float:
    manifest = store.manifest(name, number)
    return _age_s(manifest.created) if manifest else float("inf")


def _age_s(at: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
