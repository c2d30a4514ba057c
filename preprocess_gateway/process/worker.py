"""gunicorn's worker with threads: deadlines of reading, and no connection holds up others or an exit."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

from gunicorn.http.message import Request
from gunicorn.workers.gthread import TConn, ThreadWorker

from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.process.refusals import refusal

MAX_UNREAD_BYTES = 65_536  # what is skipped of a body that was answered unread, so that its connection can be kept
CLOSE_S = 1.25  # how long a client gets to close after its last answer
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset


class Worker(ThreadWorker):  # type: ignore[misc]
    """A thread for each connection that is being read; the deadline covers headers and body."""

    reading: ReadDeadlines
    """Set once the application is loaded, before any connection."""
    root: str
    """The path that clients put before those of this service, as far as settings say; set likewise."""

    def handle(self, conn: TConn) -> object:
        """Handle a connection that has become readable, and the requests that were read together with its first."""
        kept = self._handle_one(conn)
        while kept and conn.parser is not None and conn.parser.unreader.buf.getbuffer().nbytes:
            kept = self._handle_one(conn)  # the poller tells of what the socket holds alone
        return kept

    def _handle_one(self, conn: TConn) -> object:
        self.reading.begin(conn.sock)
        try:
            kept = super().handle(conn)
        finally:
            self.reading.end(conn.sock)
        if not (kept and self.alive):
            close_in_time(conn.sock)
        return kept

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Answer a request; whether its connection can take another, which needs the body's end to be here already.

        gunicorn would read an unread body for 5 s, and a client that sends a byte at a time for as long as it likes.
        """
        if not super().handle_request(req, conn) or _asks_for_websocket(req):  # nothing follows a stream
            return False
        try:
            conn.sock.setblocking(False)
            return bool(conn.parser.finish_body(max_bytes=MAX_UNREAD_BYTES))
        except OSError:  # the rest has not arrived yet, or the body is malformed
            return False
        finally:
            conn.sock.setblocking(True)

    def handle_error(self, req: Request | None, client: socket.socket, addr: object, exc: Exception) -> None:  # noqa: ARG002
        """Answer a request that never reaches the application, in the form in which the application answers."""
        with suppress(OSError):  # the client has gone
            client.sendall(refusal(exc, self.root))

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


def _asks_for_websocket(req: Request) -> bool:
    return any(name == "UPGRADE" and value.lower() == "websocket" for name, value in req.headers)


def close_in_time(sock: socket.socket, within_s: float = CLOSE_S) -> None:
    """Wait until the client closes, and see to it that one that goes on sending is reset.

    This runs in the connection's own thread: gunicorn would wait in the loop that serves all. What still arrives is
    read, as closing a socket with unread bytes may take the answer away from the client. After `within_s` seconds
    closing must send a reset: without one, a sender whose window is closed asks the kernel for a minute whether the
    window has opened, and learns of nothing else (the socket is gone, but stays in FIN-WAIT-2).
    """
    end = time.monotonic() + within_s
    sends = False
    with suppress(OSError):  # closed already
        sock.shutdown(socket.SHUT_WR)
        while (left_s := end - time.monotonic()) > 0:
            sock.settimeout(left_s)
            try:
                sends = bool(sock.recv(65_536))
            except TimeoutError:
                break
            if not sends:  # it has closed
                break
        if sends:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RD)  # a client that has not closed by now is waited for no longer
