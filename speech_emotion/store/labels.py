"""Labels: which version answers. Every move is one compare-and-swap of `models.config`."""

from __future__ import annotations

from dataclasses import replace

from speech_emotion.store.base import Store, StoreConfig
from speech_emotion.store.errors import ConflictError, NoSuchVersionError
from speech_emotion.store.history import Move, predecessors
from speech_emotion.store.servers import NO_SERVERS, ModelServers

STABLE, CANARY = "stable", "canary"
_ANY = -1


def promote(
    store: Store,
    name: str,
    number: int | None = None,
    *,
    servers: ModelServers = NO_SERVERS,
    expected: int | None = _ANY,
) -> Move:
    """Let `stable` name version `number` (none: the canary's). If the version was the canary, that label goes.

    Parameters: `servers`, each of which must say AVAILABLE first; `expected`, the version that `stable` must still name
    (none: no version), left out to move it from any.
    Raises: NoSuchVersionError, NotServedError, ConflictError, TlsError.
    """
    if number is None:
        number = store.read_config().labels(name).get(CANARY)
        if number is None:
            raise NoSuchVersionError(f"{store.location}: {name} has no canary to promote; name a version")
    return _move(store, name, STABLE, number, servers, expected)


def set_canary(store: Store, name: str, number: int | None, *, servers: ModelServers = NO_SERVERS) -> Move:
    """Let `canary` name version `number`, or no version; raises as `promote` does."""
    return _move(store, name, CANARY, number, servers, _ANY)


def rollback(store: Store, name: str, *, servers: ModelServers = NO_SERVERS) -> Move:
    """Let `stable` name its predecessor again: the nearest one that the store still has."""
    config = store.read_config()
    current = config.labels(name).get(STABLE)
    before = predecessor(store, config, name)
    if current is None or before is None:
        raise NoSuchVersionError(f"{store.location}: {name} has no earlier stable version to go back to")
    return _move(store, name, STABLE, before, servers, current, rollback=True)


def predecessor(store: Store, config: StoreConfig, name: str) -> int | None:
    """The version that a rollback would go to."""
    whole = set(store.versions(name))
    return next((number for number in predecessors(config.history, name) if number in whole), None)


def dangling(store: Store, config: StoreConfig, name: str) -> dict[str, int]:
    """Labels of the model that name no version of the store, such as one that was deleted by hand."""
    whole = set(store.versions(name))
    return {label: number for label, number in config.labels(name).items() if number not in whole}


def _move(
    store: Store,
    name: str,
    label: str,
    number: int | None,
    servers: ModelServers,
    expected: int | None,
    *,
    rollback: bool = False,
) -> Move:
    if number is not None:
        store.require(name, number)
        servers.require_available(name, number)
    moves: list[Move] = []

    def change(config: StoreConfig) -> StoreConfig:
        before = config.labels(name).get(label)
        if expected not in (_ANY, before):
            raise ConflictError(f"{store.location}: {label} of {name} now names {before}, not {expected}")
        moves[:] = [Move.now(name, label, before, number, rollback=rollback)]
        if before == number:
            return config
        if number is not None:
            store.require_staying(config, name, number)  # it may be pruned meanwhile
        _set(config, name, label, number)
        if label == STABLE and config.labels(name).get(CANARY) == number:
            _set(config, name, CANARY, None)
            moves.append(Move.now(name, CANARY, number, None))
        return replace(config, history=(*config.history, *moves))

    store.update(change)
    return moves[0]


def _set(config: StoreConfig, name: str, label: str, number: int | None) -> None:
    labels = config.entry(name).version_labels
    if number is None:
        labels.pop(label, None)
    else:
        labels[label] = number
