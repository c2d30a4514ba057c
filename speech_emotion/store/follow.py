"""Keeps a copy equal to its store, whatever happens to the store: it looks again and again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from speech_emotion.errors import SpeechEmotionError
from speech_emotion.store.base import Store
from speech_emotion.store.errors import NoSuchVersionError
from speech_emotion.store.sync import Copy

REOPEN_S = 15.0
"""Seconds after which a store that fails is opened again, which takes the work of a second."""


class Follower:
    """Follows a store with a copy, and says what changes: versions, labels, and what is wrong, once for each cause.

    Attributes:
        synced_at: Unix time of the last look at which the copy was equal to the store; 0 before the first one.
        failures: number of looks that failed.
        problem: why the last look failed; none if it did not.
    """

    def __init__(
        self,
        open_store: Callable[[], Store],
        copy: Copy,
        *,
        models: Sequence[str] = (),
        say: Callable[[str], None],
        complain: Callable[[str], None],
    ) -> None:
        """`models` must each have a version before the copy counts as whole."""
        self._open = open_store
        self._copy = copy
        self._models = list(models)
        self._say, self._complain = say, complain
        self._store: Store | None = None
        self._opened_at = 0.0
        self._fingerprint: str | None = None
        self._causes: set[str] = set()
        self.synced_at = 0.0
        self.failures = 0
        self.problem: str | None = None
        copy.sweep()

    @property
    def ready(self) -> bool:
        """Whether servers can start on the copy: it was whole once, by this process or by one before it."""
        return self._copy.begun and not self._copy.lacks(self._models)

    def run(self, every_s: float, stop: threading.Event) -> None:
        """Look every `every_s` seconds until `stop` is set."""
        while not stop.is_set():
            self.look()
            stop.wait(every_s)

    def look(self) -> None:
        """Bring the copy up to the store once, if that has changed. Raises nothing that a store can cause."""
        at = time.time()
        try:
            self._bring_up()
        except (SpeechEmotionError, OSError) as error:
            self._failed(error)
        else:
            self._succeeded(at)

    def _bring_up(self) -> None:
        if self._store is None:
            self._opened_at = time.monotonic()
            self._store = self._open()
        fingerprint = self._store.fingerprint()
        if fingerprint is not None and fingerprint == self._fingerprint and not self._copy.lingering:
            return
        self._fingerprint = None
        for change in self._copy.changes(self._store):
            self._say(change)
        if lacking := self._copy.lacks(self._models):
            raise NoSuchVersionError(f"{self._store.location} has no version of the model {', '.join(lacking)}")
        self._fingerprint = fingerprint

    def _failed(self, error: Exception) -> None:
        self._fingerprint = None
        if time.monotonic() - self._opened_at >= REOPEN_S:
            self._store = None  # renewed credentials are read when it is opened
        self.failures += 1
        self.problem = str(error)
        cause = _cause(error)
        if cause not in self._causes:
            self._causes.add(cause)
            self._complain(f"{self.problem}; the copy stays as it is until this is mended")

    def _succeeded(self, at: float) -> None:
        if not self.synced_at:
            self._say("the copy is whole")
        elif self._causes:
            self._say(f"the copy is equal to the store again, after {at - self.synced_at:.0f} s")
        self._causes.clear()
        self.synced_at, self.problem = at, None


def _cause(error: Exception) -> str:
    """What tells one fault from another: a library's words differ from look to look, by ids and addresses."""
    deepest: BaseException = error
    while deepest.__cause__ is not None:
        deepest = deepest.__cause__
    answer = getattr(deepest, "response", None) or {}
    return str(error) if deepest is error else f"{type(deepest).__name__} {answer.get('Error', {}).get('Code')}"
