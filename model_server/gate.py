"""How many calls are worked on at once, whichever protocol they came by."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from model_server.errors import Code, ServingError


class Gate:
    """Has `max_calls` places, which gRPC and REST share."""

    def __init__(self, max_calls: int) -> None:
        self.places = max_calls
        self._free = threading.BoundedSemaphore(max_calls)

    @contextmanager
    def place(self, *, wait: bool = False) -> Iterator[None]:
        """Hold a place while the block runs.

        Raises ServingError if none is free, unless told to wait for one, as the real server does for REST only.
        """
        if not self._free.acquire(blocking=wait):
            raise ServingError(Code.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        try:
            yield
        finally:
            self._free.release()
