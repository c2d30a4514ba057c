"""Why an answer failed, in the log: once for each cause and minute, however many requests it costs."""

from __future__ import annotations

import logging
import re
import threading
import time

NAME = "preprocess_gateway.failures"
INTERVAL_S = 60.0
MAX_CAUSES = 1000
MAX_CAUSE_LENGTH = 1000
_NUMBER = re.compile(r"\d+(\.\d+)?")
log = logging.getLogger(NAME)


def log_failure(what: str, error: Exception) -> None:
    """A line with the error and, where it has notes, what is behind it; see OncePerCause."""
    cause = ": ".join([type(error).__name__, str(error), *getattr(error, "__notes__", ())])
    log.warning("%s: %s", what, cause[:MAX_CAUSE_LENGTH])


class OncePerCause(logging.Filter):
    """Lets a line pass once in a minute; numbers in it do not make it another.

    The next one that passes has in `repeated` how many were held back.
    """

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        super().__init__()
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._passed: dict[str, float] = {}
        self._held_back: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether no such line passed within the interval."""
        cause, now = _NUMBER.sub("0", record.getMessage()), time.monotonic()
        with self._lock:
            if now - self._passed.get(cause, -self._interval_s) < self._interval_s:
                self._held_back[cause] = self._held_back.get(cause, 0) + 1
                return False
            if repeated := self._held_back.pop(cause, 0):
                record.repeated = repeated
            self._passed.pop(cause, None)
            while len(self._passed) >= MAX_CAUSES:
                oldest = next(iter(self._passed))
                del self._passed[oldest]
                self._held_back.pop(oldest, None)
            self._passed[cause] = now
        return True
