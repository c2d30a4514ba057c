"""Whether this worker is being stopped, and how much time is left for work that takes long."""

from __future__ import annotations

import math
import threading
import time

MARGIN_S = 1.0
"""Before the worker ends: a last line must still reach its client."""


class Draining:
    """Begins once, from any thread; `begun` can be waited for."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        """Set on SIGTERM."""
        self._end = math.inf

    def begin(self, within_s: float) -> None:
        """The worker ends in `within_s` seconds."""
        self._end = time.monotonic() + max(0.0, within_s - MARGIN_S)
        self.begun.set()

    def left_s(self) -> float:
        """Seconds in which work may go on: infinity before the beginning, 0 when it must have ended."""
        return max(0.0, self._end - time.monotonic())
