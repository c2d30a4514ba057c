"""gunicorn's worker with threads: deadlines of reading, and no connection holds up others or an exit."""

from __future__ import annotations

import socket
from contextlib import suppress

from gunicorn.util import close_graceful
from gunicorn.workers.gthread import TConn, ThreadWorker

from preprocess_gateway.http.read_deadlines import ReadDeadlines


class Worker(ThreadWorker):  # type: ignore[misc]
    """A thread for each connection that is being read; the deadline covers headers and body."""

    reading: ReadDeadlines
    """Set once the application is loaded, before any connection."""

    def handle(self, conn: TConn) -> object:
        """Handle a connection that has become readable."""
        self.reading.begin(conn.sock)
        try:
            kept = super().handle(conn)
        finally:
            self.reading.end(conn.sock)
        if not (kept and self.alive):
            _let_client_close(conn.sock)
        return kept

    def drain(self) -> None:
        """Ask clients to leave: every answer from now on closes its connection."""
        self.max_keepalived = 0

    def set_accept_enabled(self, enabled: bool) -> None:
        """Before no connection is accepted any more, serve what has arrived; then close those without a request."""
        if not self.alive:
            self._serve_what_arrived()
        super().set_accept_enabled(enabled)
        if not self.alive:
            for conn in (*self.keepalived_conns, *self.pending_conns):
                conn.timeout = 0
            self.murder_keepalived()
            self.murder_pending()

    def _serve_what_arrived(self) -> None:
        """Each turn takes one new connection and every kept one that has sent something."""
        while self.nr_conns < self.worker_connections and self.poller.select(0):
            self.wait_for_and_dispatch_events(timeout=0)


def _let_client_close(sock: socket.socket) -> None:
    """Wait for it in the connection's own thread: gunicorn would, up to 2 s each, in the loop that serves all."""
    with suppress(OSError):  # closed already
        close_graceful(sock.dup())
        sock.shutdown(socket.SHUT_RD)  # a client that has not closed by now is waited for no longer
