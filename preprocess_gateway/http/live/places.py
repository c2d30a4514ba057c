"""How many streams are open at once, altogether and for each client."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from preprocess_gateway.errors import OverloadedError, TooManyStreamsError


class Places:
    """Places for the streams of a worker."""

    def __init__(self, places: int, per_client: int) -> None:
        self._places = places
        self._per_client = per_client
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Hold a place for a client's address while the block runs.

        Raises TooManyStreamsError if the client has no place left, OverloadedError if nobody has.
        """
        with self._lock:
            if self._open[client] >= self._per_client:
                raise TooManyStreamsError(f"this client has {self._per_client} streams open, and may have no more")
            if self._open.total() >= self._places:
                raise OverloadedError(f"{self._places} streams are open, and there may be no more", reason="streams")
            self._open[client] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[client] -= 1
                self._open += Counter()  # clients without a stream are forgotten
