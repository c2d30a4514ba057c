"""A budget for retries, so that a failing model server is not asked twice by everybody."""

from __future__ import annotations

import threading

BURST = 10.0  # retries that a quiet gateway may spend at once


class RetryBudget:
    """Each request earns a fraction of a retry; each retry costs one (a token bucket, as in gRPC's A6)."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._tokens = BURST if ratio else 0.0
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Count a request."""
        with self._lock:
            self._tokens = min(BURST, self._tokens + self._ratio)

    def spend(self) -> bool:
        """Whether a retry is allowed now; if so it is paid for."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
