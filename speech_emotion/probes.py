"""Answers to kubelet's probes and to Prometheus, from threads of their own: slow work must not fail a probe."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from speech_emotion.listening import EVERY_ADDRESS, family_of

Answer = tuple[int, str, bytes]
"""Status, content type and body."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler], shared: bool) -> None:
        self.address_family = family_of(host)
        self.allow_reuse_port = shared
        self.both = host == EVERY_ADDRESS
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not self.both)
        super().server_bind()


class AnswerServer:
    """Answers GET with what `answer` makes of a path without its query.

    From `start` on it listens on `host`, as of `listening_host`; a `shared` port may have several servers, among which
    the kernel shares connections out.
    """

    def __init__(self, host: str, port: int, answer: Callable[[str], Answer], *, shared: bool = False) -> None:
        self._listen = partial(_Server, host, port, _handler(answer), shared)
        self._server: _Server | None = None

    def start(self) -> int:
        """Serve in a thread; returns the port. Raises OSError if the address cannot be used."""
        self._server = self._listen()
        self._thread = threading.Thread(target=self._server.serve_forever, name="probes", daemon=True)
        self._thread.start()
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving, if it was started."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


def _handler(answer: Callable[[str], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds for a client to send its request

        def do_GET(self) -> None:
            status, content_type, body = answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes are not logged."""

    return Handler
