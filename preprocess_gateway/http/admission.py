"""How many predictions are computed at once, how many requests may wait, and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from preprocess_gateway.errors import OverloadedError
from preprocess_gateway.quotas import Quota

FULL: Final = "too many requests are being answered"


class Admission:
    """A few slots and a short queue in front of them: beyond both, a request is refused at once.

    Computing more at once than there are cores makes every answer late; a long queue does the same. So
    load beyond capacity turns into quick 503s, and what is accepted is answered in good time.

    A request takes a place before its body is read, so a refusal costs next to nothing. Once the body has arrived, it
    takes a slot, which allows it to compute.
    """

    def __init__(self, slots: int, places: Quota, wait_s: float) -> None:
        """`slots` is the number of this worker; `places` are those of all workers."""
        self._slots = threading.Semaphore(slots)
        self._places = places
        self._wait_s = wait_s

    @property
    def full(self) -> bool:
        """Whether every place is taken."""
        return self._places.taken >= self._places.limit

    @contextmanager
    def enter(self) -> Iterator[Place]:
        """Hold a place while the block runs. Raises OverloadedError (`queue_full`) at once if there is none."""
        place = Place(self._places, self._slots, self._wait_s)
        try:
            yield place
        finally:
            place.leave()


class Place:
    """The place of one request."""

    def __init__(self, places: Quota, slots: threading.Semaphore, wait_s: float) -> None:
        """Take a place. Raises OverloadedError."""
        self._places = places
        self._slots = slots
        self._wait_s = wait_s
        self._held = False
        self._take()

    def leave(self) -> None:
        """Give the place up for another request, because the body of this one arrives slowly."""
        if self._held:
            self._held = False
            self._places.give()

    @contextmanager
    def slot(self, deadline: float) -> Iterator[None]:
        """Hold a slot while the block runs; wait for it no longer than `wait_s` and `deadline` allow.

        Raises OverloadedError: `queue_full` at once if the place was given up and no other is free, `queue_timeout`
        after the wait.
        """
        self._take()
        if not self._slots.acquire(timeout=max(0.0, min(self._wait_s, deadline - time.monotonic()))):
            raise OverloadedError(FULL, reason="queue_timeout")
        try:
            yield
        finally:
            self._slots.release()

    def _take(self) -> None:
        if not self._held and not self._places.take():
            raise OverloadedError(FULL, reason="queue_full")
        self._held = True
