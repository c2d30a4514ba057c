"""Frees a version that was let go when its last call has ended, not when Python's collector happens to run.

Graph and session refer to each other, so counting references alone keeps their memory.
"""

from __future__ import annotations

import gc
import threading
import weakref
from queue import SimpleQueue


class Freeing:
    """A thread that collects whenever one of the watched objects has gone."""

    def __init__(self) -> None:
        # What is there now stays for ever, and need not be looked through again: a collection takes milliseconds.
        gc.collect()
        gc.freeze()
        self._gone: SimpleQueue[None] = SimpleQueue()  # a finalizer may run anywhere, also inside of a lock
        threading.Thread(target=self._work, name="freeing", daemon=True).start()

    def watch(self, servable: object) -> None:
        """Collect what `servable` leaves behind once it has gone."""
        weakref.finalize(servable, self._gone.put, None)

    def _work(self) -> None:
        while True:
            self._gone.get()
            gc.collect()
