"""Brings what is loaded in line with what is wanted, one version at a time, in one thread.

At start, a version that failed waits for its retry while others load. Later it occupies one of the real server's
`--num_load_threads`: if there are none, everything waits with it. A wanted version is loaded before an unwanted one
is let go, so a model never loses its last version to an update. Each version's state is kept for GetModelStatus, also
after its end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from model_server.errors import Code, ServingError
from model_server.servable import Servable

_log = logging.getLogger(__name__)


class State(IntEnum):
    """The states of GetModelStatus, by their numbers there."""

    START = 10
    LOADING = 20
    AVAILABLE = 30
    UNLOADING = 40
    END = 50


@dataclass
class _Version:
    name: str
    number: int
    path: Path
    state: State = State.START
    error: ServingError | None = None
    tries: int = 0
    next_try: float = 0.0
    servable: Servable | None = None
    alone: bool = False
    """Whether no version of the model was served when this one was given up."""

    def __str__(self) -> str:
        return f"{{name: {self.name} version: {self.number}}}"


class Loader:
    """The versions of all models, and the thread that loads and unloads them."""

    def __init__(
        self,
        load: Callable[[str, int, Path], Servable],
        *,
        max_retries: int = 5,
        retry_interval_s: float = 60.0,
        load_threads: int = 0,
    ) -> None:
        self._load = load
        self._max_retries = max_retries
        self._retry_interval_s = retry_interval_s
        self._load_threads = load_threads
        self._started = False
        self._changed = threading.Condition()
        self._wanted: dict[str, dict[int, Path]] = {}
        self._versions: dict[str, dict[int, _Version]] = {}
        # Replaced, never changed: requests read it without a lock.
        self._serving: dict[str, dict[int, Servable]] = {}
        threading.Thread(target=self._work, name="loader", daemon=True).start()

    def end_of_start(self) -> None:
        """From now on a version that waits for its retry occupies a load thread."""
        self._started = True

    def want(self, name: str, versions: Mapping[int, Path]) -> None:
        """From now on exactly these versions of the model `name` are to be served."""
        with self._changed:
            before = self._wanted.get(name, {})
            if before == versions:
                return
            self._wanted[name] = dict(versions)
            known = self._versions.setdefault(name, {})
            for number in versions.keys() - before.keys():
                # One that still waits to be let go just stays.
                if number not in known or known[number].state is State.END:
                    known[number] = _Version(name, number, versions[number])
            self._changed.notify_all()

    def servable(self, name: str, number: int | None) -> Servable | None:
        """The version `number`, or the newest, of the model `name`, if it is being served."""
        versions = self._serving.get(name)
        if not versions:
            return None
        return versions.get(max(versions) if number is None else number)

    def states(self, name: str) -> list[tuple[int, State, ServingError | None]]:
        """Number, state and error of every version ever seen of the model `name`, newest first."""
        with self._changed:
            versions = self._versions.get(name, {})
            return [(n, versions[n].state, versions[n].error) for n in sorted(versions, reverse=True)]

    def wait_until_served(self, names: Sequence[str], timeout_s: float | None = None) -> None:
        """Wait until every wanted version of these models is served, or given up beside another one that is served.

        Raises ServingError for a version that was given up while none of its model was served, and if time is over:
        so the real server starts.
        """
        with self._changed:
            served = self._changed.wait_for(
                lambda: all(self._settled(name) or self._failed(name) for name in names), timeout_s
            )
            failed = [version for name in names for version in self._failed(name)]
            waiting = [name for name in names if not self._settled(name)]
        if failed:
            reasons = ", ".join(f"{{{version} due to error: {version.error}}}" for version in failed)
            message = f"{len(failed)} servable(s) did not become available: {{{reasons}}}"
            raise ServingError(Code.UNKNOWN, message)
        if not served:
            raise ServingError(Code.DEADLINE_EXCEEDED, f"Still waiting for models: {', '.join(waiting)}")

    def _failed(self, name: str) -> list[_Version]:
        """The wanted versions of a model that were given up while none of it was served."""
        return [version for version in self._wanted_versions(name) if version.state is State.END and version.alone]

    def _settled(self, name: str) -> bool:
        """Whether the model has wanted versions, and each is served or given up."""
        versions = self._wanted_versions(name)
        return bool(versions) and all(version.state in (State.AVAILABLE, State.END) for version in versions)

    def _wanted_versions(self, name: str) -> list[_Version]:
        return [self._versions[name][number] for number in self._wanted.get(name, {})]

    def _work(self) -> None:
        while True:
            with self._changed:
                step = self._next_step()
                while step is None:
                    self._changed.wait(self._pause())
                    step = self._next_step()
            step()

    def _next_step(self) -> Callable[[], None] | None:
        """The next thing to do: load the newest wanted version that is due, else let one go."""
        now = time.monotonic()
        failed = self._retried()
        occupied = self._started and len(failed) >= max(self._load_threads, 1)
        if occupied and self._load_threads == 0:
            return (lambda: self._try_load(failed[0])) if failed[0].next_try <= now else None
        for name, versions in self._versions.items():
            wanted = self._wanted[name]
            for number in sorted(wanted, reverse=True):
                version = versions[number]
                new = version.state is State.START and not occupied
                if new or (version.state is State.LOADING and version.next_try <= now):
                    version.state = State.LOADING
                    return lambda version=version: self._try_load(version)  # type: ignore[misc]
            replaced = not wanted or any(versions[number].state is State.AVAILABLE for number in wanted)
            for number in sorted(versions.keys() - wanted.keys()):
                version = versions[number]
                if version.state in (State.START, State.LOADING) or (version.servable and replaced):
                    return lambda version=version: self._let_go(version)  # type: ignore[misc]
        return None

    def _pause(self) -> float | None:
        """Seconds to the next retry, or None if only a change can bring work."""
        failed = self._retried()
        return max(0.0, min(version.next_try for version in failed) - time.monotonic()) if failed else None

    def _retried(self) -> list[_Version]:
        """The versions that wait for their next retry."""
        return [v for versions in self._versions.values() for v in versions.values() if v.state is State.LOADING]

    def _try_load(self, version: _Version) -> None:
        start = time.monotonic()
        servable, error = None, None
        try:
            servable = self._load(version.name, version.number, version.path)
        except ServingError as refused:
            # Code and message only: the traceback's frames hold the session that failed, and its memory.
            error = ServingError(refused.code, refused.message)
        except Exception as unforeseen:  # noqa: BLE001 - whatever a SavedModel does, the others must be served
            error = ServingError(Code.UNKNOWN, f"{type(unforeseen).__name__}: {unforeseen}")
        with self._changed:
            version.servable = servable
            version.tries += 1
            if servable:
                version.state = State.AVAILABLE
                took_s = time.monotonic() - start
                _log.info("Successfully loaded servable version %s in %.2f s from %s", version, took_s, version.path)
            elif version.tries > self._max_retries:
                version.state, version.error = State.END, error
                version.alone = not any(other.servable for other in self._versions[version.name].values())
                _log.error("Servable %s cannot be loaded: %s", version, error)
            else:
                version.next_try = time.monotonic() + self._retry_interval_s
                _log.error("Loading servable: %s failed, retry in %g s: %s", version, self._retry_interval_s, error)
            self._publish()

    def _let_go(self, version: _Version) -> None:
        with self._changed:
            was_served = version.servable is not None
            version.state = State.UNLOADING if was_served else State.END
            version.servable = None
            # Calls under way hold the servable; it is freed when the last of them ends.
            self._publish()
            version.state = State.END
        if was_served:
            _log.info("Done unloading servable version %s", version)

    def _publish(self) -> None:
        self._serving = {
            name: {number: version.servable for number, version in versions.items() if version.servable}
            for name, versions in self._versions.items()
        }
        self._changed.notify_all()
