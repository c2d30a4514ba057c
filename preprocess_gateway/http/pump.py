"""An iterator that works in a thread of its own, so that whoever waits for it can do something else meanwhile."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextvars import Context
from typing import Generic, TypeVar

from preprocess_gateway.telemetry import tracing

T = TypeVar("T")
AHEAD = 64
"""Items that may lie ready; beyond them the iterator waits for its reader."""
_CHECK_S = 0.2


class Nothing:
    """No item came in time."""


NOTHING = Nothing()


class Pump(Generic[T]):
    """Runs `items`, a generator, in a thread with the ids of this request.

    Once `stopped` is set the generator is closed before its next item, by its own thread.
    """

    def __init__(self, items: Iterator[T], stopped: threading.Event) -> None:
        self._items = items
        self._stopped = stopped
        self._ready: queue.Queue[T | Exception | None] = queue.Queue(AHEAD)
        context = Context()
        context.run(tracing.current.set, tracing.current.get())
        self._thread = threading.Thread(target=context.run, args=(self._run,), name="recording", daemon=True)
        self._thread.start()

    def take(self, timeout_s: float) -> T | Nothing | None:
        """The next item, `NOTHING` if none comes in time, None after the last one. Raises what the generator raises."""
        try:
            item = self._ready.get(timeout=timeout_s)
        except queue.Empty:
            return NOTHING
        if isinstance(item, Exception):
            raise item
        return item

    def stop(self) -> None:
        """Stop the generator, and wait for its thread to end: what it works with may be closed then."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            try:
                for item in self._items:
                    self._put(item)
                    if self._stopped.is_set():
                        return
            finally:
                close = getattr(self._items, "close", lambda: None)
                close()
            self._put(None)
        except Exception as error:  # noqa: BLE001 - it is the reader's to handle
            self._put(error)

    def _put(self, item: T | Exception | None) -> None:
        while not self._stopped.is_set():
            try:
                self._ready.put(item, timeout=_CHECK_S)
            except queue.Full:
                continue
            return
