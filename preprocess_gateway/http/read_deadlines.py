"""Deadlines of reading requests: a client that sends too slowly is cut off, whatever its sender does."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class ReadDeadlines:
    """Ends the reading of sockets whose time is up; one thread for all of a worker.

    gunicorn's readers loop until they have what they were asked for, and a socket's own timeout begins
    anew with each byte: only shutting down the receiving side ends a read that trickles. What was
    answered can still be sent.
    """

    def __init__(self, timeout_s: float, interval_s: float = 0.1) -> None:
        self.timeout_s = timeout_s
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._ends: dict[socket.socket, float] = {}
        self._cut: set[socket.socket] = set()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-deadlines", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def begin(self, sock: socket.socket) -> None:
        """From now on `sock` has `timeout_s` seconds to deliver a request."""
        with self._lock:
            self._ends[sock] = time.monotonic() + self.timeout_s

    def extend(self, sock: socket.socket | None, until: float) -> None:
        """`sock` has time until then (of `time.monotonic`), unless it is cut off already or has no deadline."""
        with self._lock:
            if sock in self._ends:
                self._ends[sock] = until

    def end(self, sock: socket.socket | None) -> bool:
        """Reading is over; whether it was cut off. Without a socket there is no deadline."""
        if sock is None:
            return False
        with self._lock:
            self._ends.pop(sock, None)
            cut = sock in self._cut
            self._cut.discard(sock)
        return cut

    def _run(self) -> None:
        while not self._closed.wait(self._interval_s):
            now = time.monotonic()
            with self._lock:
                for sock in [sock for sock, end in self._ends.items() if end < now]:
                    del self._ends[sock]
                    self._cut.add(sock)
                    with suppress(OSError):  # the client has gone
                        sock.shutdown(socket.SHUT_RD)
