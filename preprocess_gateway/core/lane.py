"""The lane of long work, recordings and live streams: short requests keep their place before it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count

from preprocess_gateway.core.together import Together

MAX_BATCH = 32


class Lane:
    """Admits the steps of long work to one resource, one at a time: live work first, then in order of arrival.

    While a short request is at work, and for `hold_s` seconds after it as the next one may follow, steps take `share`
    of the time at most: after a step of `d` seconds the next one begins `d * (1 / share - 1)` seconds later. So a short
    request never waits for long work, at most shares the resource with one step, and mostly meets none; and long work
    goes on under any load.
    """

    def __init__(self, share: float, hold_s: float = 0.0) -> None:
        self._pause = 1 / share - 1  # for each second of a step
        self._hold_s = hold_s
        self._quiet_at = 0.0  # when the last short request is `hold_s` seconds ago
        self._changed = threading.Condition()
        self._waiting: list[tuple[bool, int]] = []
        self._numbers = count()
        self._busy = False
        self._short = 0
        self._next_at = 0.0

    @contextmanager
    def short_request(self) -> Iterator[None]:
        """A short request is at work while the block runs."""
        with self._changed:
            self._short += 1
        try:
            yield
        finally:
            with self._changed:
                self._short -= 1
                self._quiet_at = time.monotonic() + self._hold_s
                if not self._short:
                    self._changed.notify_all()

    @contextmanager
    def step(self, *, live: bool = False) -> Iterator[None]:
        """Wait for the turn of one step, and hold the lane while the block runs, which should be well under 0.1 s."""
        self._enter((not live, next(self._numbers)))
        begun = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            with self._changed:
                self._busy = False
                self._next_at = ended + (ended - begun) * self._pause
                self._changed.notify_all()

    @property
    def contended(self) -> bool:
        """Whether a short request is at work, or was just now."""
        return self._short > 0 or time.monotonic() < self._quiet_at

    def _pause_s(self) -> float:
        """Seconds until the next step may begin, as far as is known now."""
        now = time.monotonic()
        return min(self._next_at - now, math.inf if self._short else self._quiet_at - now)

    def _enter(self, ticket: tuple[bool, int]) -> None:
        with self._changed:
            heappush(self._waiting, ticket)
            while True:
                first = self._waiting[0] == ticket and not self._busy
                pause_s = self._pause_s()
                if first and pause_s <= 0:
                    break
                self._changed.wait(pause_s if first else None)
            heappop(self._waiting)
            self._busy = True


class Lanes:
    """The two lanes of a worker: its own CPU, on which blocks are heard, and the model server, which is asked."""

    def __init__(self, share: float, max_batch: int = MAX_BATCH, hold_s: float = 0.0) -> None:
        """`share` of the time that long work has while short requests are at work and `hold_s` seconds after, in each.

        `max_batch`: windows of live streams in one call.
        """
        self.hearing = Lane(share, hold_s)
        self.asking = Lane(share, hold_s)
        self.together = Together(self.asking, max_batch)
        """Asks for live streams."""

    @contextmanager
    def short_request(self) -> Iterator[None]:
        """A short request is at work while the block runs."""
        with self.hearing.short_request(), self.asking.short_request():
            yield
