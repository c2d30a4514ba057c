"""How many predictions are computed at once, how many may wait, and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from preprocess_gateway.errors import OverloadedError


class Admission:
    """A few slots and a short queue in front of them: beyond both, a request is refused at once.

    Computing more at once than there are cores makes every answer late; a long queue does the same. So
    load beyond capacity turns into quick 503s, and what is accepted is answered in good time.
    """

    def __init__(self, slots: int, queue: int, wait_s: float) -> None:
        self._slots = threading.Semaphore(slots)
        self._places = threading.Semaphore(slots + queue)
        self._wait_s = wait_s

    @contextmanager
    def enter(self, deadline: float) -> Iterator[None]:
        """Hold a slot while the block runs; wait for it no longer than `wait_s` and `deadline` allow.

        Raises OverloadedError: `queue_full` at once, `queue_timeout` after the wait.
        """
        if not self._places.acquire(blocking=False):
            raise OverloadedError("too many requests are being answered", reason="queue_full")
        try:
            if not self._slots.acquire(timeout=max(0.0, min(self._wait_s, deadline - time.monotonic()))):
                raise OverloadedError("too many requests are being answered", reason="queue_timeout")
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self._places.release()
