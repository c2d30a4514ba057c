"""gunicorn's worker with threads: reading a request has a deadline, and idle connections hold up no exit."""

from __future__ import annotations

from gunicorn.workers.gthread import TConn, ThreadWorker

from preprocess_gateway.reading import ReadDeadlines


class Worker(ThreadWorker):  # type: ignore[misc]
    """A thread for each connection that is being read; the deadline covers headers and body."""

    reading: ReadDeadlines
    """Set once the application is loaded, before any connection."""

    def handle(self, conn: TConn) -> object:
        """Handle a connection that has become readable."""
        self.reading.begin(conn.sock)
        try:
            return super().handle(conn)
        finally:
            self.reading.end(conn.sock)

    def drain(self) -> None:
        """Ask clients to leave: every answer from now on closes its connection."""
        self.max_keepalived = 0

    def set_accept_enabled(self, enabled: bool) -> None:
        """Once no connection is accepted any more, close those that wait for a next request."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            for conn in (*self.keepalived_conns, *self.pending_conns):
                conn.timeout = 0
            self.murder_keepalived()
            self.murder_pending()
