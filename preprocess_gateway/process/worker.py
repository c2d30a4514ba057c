"""gunicorn's worker with threads: deadlines of reading, and no connection holds up others or an exit."""

from __future__ import annotations

import socket
import time
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING

from gunicorn.http.body import ChunkedReader, LengthReader
from gunicorn.http.errors import ChunkMissingTerminator, InvalidChunkSize, ParseException
from gunicorn.http.message import Request
from gunicorn.http.unreader import Unreader
from gunicorn.http.wsgi import create
from gunicorn.workers.gthread import TConn, ThreadWorker

from preprocess_gateway.http.body_streams import ChunkedBody, DeclaredBody
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.process.closing import close_in_time
from preprocess_gateway.process.readiness import Readiness
from preprocess_gateway.process.refusals import refusal
from preprocess_gateway.process.responses import Response

if TYPE_CHECKING:
    from flask import Flask

MAX_UNREAD_BYTES = 16 * 1024 * 1024  # up to so many bytes of an unread body are skipped to keep its connection
MAX_UNREAD_CHUNKS_BYTES = 65_536  # the same for a body in chunks, which must have arrived
MAX_BETWEEN_CHUNKS_BYTES = 65_536  # a line with the size of a chunk, or all trailers; gunicorn bounds neither
REST_S = 0.1  # a refused client that asks again at once has to wait, so that it takes no time from others
AFTER_OTHERS_S = 0.001  # so long after workers with fewer connections the others accept a new one
LOOK_S = 0.1  # how often a worker looks whether it knows its models by now


class Worker(ThreadWorker):  # type: ignore[misc]
    """A thread for each connection that is being read; the deadline covers headers and body."""

    reading: ReadDeadlines
    """Set once the application is loaded, before any connection."""
    readiness: Readiness
    """Whether it may take connections; set likewise."""
    root: str
    """The path that clients put before those of this service, as far as settings say; set likewise."""

    row: int
    """The worker's row of the ledger."""
    alive: bool
    """Whether it serves; false once it is to end."""
    wsgi: Flask
    """What answers; gunicorn loads it."""
    _resting: deque[tuple[float, TConn, Future[bool]]]
    """When it may go on, the connection, and how its last request ended; in order, as all rest equally long."""
    max_keepalived: int
    """Connections that may idle between two requests; at 0 every answer closes its connection."""
    _refused: set[TConn]
    """Connections whose last request was answered unread."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._resting, self._refused = deque(), set()

    def handle(self, conn: TConn) -> object:
        """Handle a connection that has become readable, and the requests that were read together with its first."""
        if body := _unread(conn):
            if not (skipped := self._skip(body) and self.alive):
                close_in_time(conn.sock)
            return skipped
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

    def _skip(self, body: DeclaredBody) -> bool:
        """Skip what has arrived of a body that was answered unread; returns whether to keep the connection."""
        with suppress(OSError, EOFError):
            return body.skip() or time.monotonic() < body.skipped_until
        return False

    def handle_request(self, req: Request, conn: TConn) -> bool:
        """Answer a request; returns whether to keep its connection, on which the rest of the body may still arrive.

        gunicorn would read an unread body for 5 s, and a client that sends a byte at a time for as long as it likes.
        """
        body = _stream(req, conn.sock)
        if not self._answer(req, conn) or _asks_for_websocket(req):  # nothing follows a stream
            return False
        if isinstance(body, DeclaredBody):
            if body.left:
                body.skipped_until = time.monotonic() + self.reading.timeout_s
                self._refused.add(conn)
            return self._skip(body)
        try:
            conn.sock.setblocking(False)
            return bool(conn.parser.finish_body(max_bytes=MAX_UNREAD_CHUNKS_BYTES))
        except OSError:  # the rest has not arrived yet, or the body is malformed
            return False
        finally:
            conn.sock.setblocking(True)

    def _answer(self, req: Request, conn: TConn) -> bool:
        """Send the application's response; returns whether the client may send another request.

        gunicorn's `handle_request` does that with another response, and with hooks and an access log, unused here.
        """
        response, environ = create(req, conn.sock, conn.client, conn.server, self.cfg, Response)
        environ["wsgi.multithread"] = True
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        if not self.alive or len(self.keepalived_conns) >= self.max_keepalived:
            response.force_close()
        pieces = self.wsgi(environ, response.start_response)
        try:
            for piece in pieces:
                response.write(piece)
            response.close()
        except OSError:  # the client has gone
            raise
        except Exception as error:
            if not response.headers_sent:
                raise
            self.log.exception("a response could not be sent whole")
            raise StopIteration from error  # gunicorn closes the connection then, which tells the client
        finally:
            if hasattr(pieces, "close"):
                pieces.close()
        return not response.should_close()

    def _keepalive_after(self, _conn: TConn, keepalive: bool) -> bool:
        """Whether a connection is kept, as `handle_request` said; gunicorn would read the rest of the body first."""
        return keepalive

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Let a thread answer what a kept connection sends, unless it is the rest of a body that is skipped."""
        body = _unread(conn)
        if body is None or not self._skip(body):
            super().on_client_socket_readable(conn, client)

    def finish_request(self, conn: TConn, fs: Future[bool]) -> None:
        """Wait for the connection's next request, or close it; if its request was refused, it rests first."""
        refused = conn in self._refused
        self._refused.discard(conn)
        if not self.alive:  # gunicorn would wait 2 s for each client to close, one after the other
            closing = self.tpool.submit(close_in_time, conn.sock)
            finish = super().finish_request
            closing.add_done_callback(lambda closed: self.method_queue.defer(finish, conn, closed))
        elif refused:
            self._resting.append((time.monotonic() + REST_S, conn, fs))
        else:
            super().finish_request(conn, fs)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for connections to become readable, including those that have rested long enough."""
        if self.alive and not self.readiness.settled:
            timeout = min(timeout, LOOK_S)
        while self._resting and (not self.alive or self._resting[0][0] <= time.monotonic()):
            _, conn, fs = self._resting.popleft()
            self.finish_request(conn, fs)
        if self._resting:
            timeout = max(0.0, min(timeout, self._resting[0][0] - time.monotonic()))
        super().wait_for_and_dispatch_events(timeout)

    def handle_error(self, req: Request | None, client: socket.socket, addr: object, exc: Exception) -> None:  # noqa: ARG002
        """Answer a request that never reaches the application, in the form in which the application answers."""
        with suppress(OSError):  # the client has gone
            client.sendall(refusal(exc, self.root))

    def drain(self) -> None:
        """Ask clients to leave: every answer from now on closes its connection."""
        self.max_keepalived = 0

    def notify(self) -> None:
        """In each turn of the loop, tell the arbiter that this worker lives, and the others what it knows."""
        super().notify()
        self.readiness.look()
        if self.alive:
            self.readiness.count(self.nr_conns)
        kept = self.worker_connections - self.cfg.threads  # as gunicorn has it
        self.max_keepalived = kept if self.readiness.keeps_connections else 0

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection, unless a worker with fewer does so first, or another knows more models by now.

        A connection stays with its worker: without this, one of two workers may have all that are kept alive.
        """
        if not self.readiness.takes_connections:
            super().set_accept_enabled(False)
            return
        if self.readiness.has_more_than_another(self.nr_conns):
            time.sleep(AFTER_OTHERS_S)
        super().accept(listener)

    def set_accept_enabled(self, enabled: bool) -> None:
        """Accept if this worker may; before it ends, serve what has arrived, then close what has no request."""
        if not self.alive:
            self._serve_what_arrived()
        super().set_accept_enabled(enabled and self.readiness.takes_connections)
        if not self.alive:
            self.readiness.end()
            for conn in (*self.keepalived_conns, *self.pending_conns):
                conn.timeout = 0
            self.murder_keepalived()
            self.murder_pending()

    def _serve_what_arrived(self) -> None:
        """Each turn takes one new connection and every kept one that has sent something."""
        while self.nr_conns < self.worker_connections and self.poller.select(0):
            self.wait_for_and_dispatch_events(timeout=0)


def _stream(req: Request, sock: socket.socket) -> DeclaredBody | ChunkedBody:
    """Replace the request's body by a stream of our own, and return it."""
    expects = req._expected_100_continue
    req._expected_100_continue = False
    reader = req.body.reader
    body: DeclaredBody | ChunkedBody
    if isinstance(reader, LengthReader):
        body = DeclaredBody(sock, req.unreader, reader.length, expects_continue=expects)
    else:
        body = ChunkedBody(sock, _Chunks(req, req.unreader).read, expects_continue=expects)
    req.body = body
    closes = req.should_close
    req.should_close = lambda: closes() or body.is_last or getattr(body, "left", 0) > MAX_UNREAD_BYTES
    return body


class _Chunks(ChunkedReader):  # type: ignore[misc]
    """gunicorn's reader, with a limit on the bytes between chunks; everything malformed is an OSError."""

    def get_data(self, unreader: Unreader, buf: BytesIO) -> None:
        """Receive more of the bytes between two chunks, or after the last."""
        if buf.tell() > MAX_BETWEEN_CHUNKS_BYTES:
            raise InvalidChunkSize(buf.getvalue()[:20])
        super().get_data(unreader, buf)

    def parse_trailers(self, unreader: Unreader, data: bytes) -> None:
        """Read the trailers."""
        try:
            super().parse_trailers(unreader, data)
        except ParseException as error:
            raise ChunkMissingTerminator(b"") from error


def _unread(conn: TConn) -> DeclaredBody | None:
    """The body of a connection's last request, if bytes of it are left."""
    body = conn.parser.mesg.body if conn.parser is not None and conn.parser.mesg is not None else None
    return body if isinstance(body, DeclaredBody) and body.left else None


def _asks_for_websocket(req: Request) -> bool:
    return any(name == "UPGRADE" and value.lower() == "websocket" for name, value in req.headers)
