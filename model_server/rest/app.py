"""The HTTP server of the REST API: a thread a connection, a bounded number of calls at once."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from model_server import monitoring
from model_server.core import ServerCore
from model_server.errors import ServingError
from model_server.rest.handler import answer, status_of
from speech_emotion.listening import family_of

_log = logging.getLogger(__name__)
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,8}")
_MAX_LINE = 65_536
_LENGTH = re.compile("[0-9]{1,18}")  # `str.isdigit` takes `²` too, and int() no more than some 4,000 digits
_NOT_FOUND = "<HTML><HEAD>\n<TITLE>404 Not Found</TITLE>\n</HEAD><BODY>\n<H1>Not Found</H1>\n</BODY></HTML>\n"


class RestServer(ThreadingHTTPServer):
    """Serves `core` at host:port, and the page of Prometheus at `metrics_path`. Raises OSError on a taken port."""

    daemon_threads = True
    allow_reuse_port = False

    def __init__(
        self, core: ServerCore, host: str, port: int, max_calls: int, timeout_s: float, metrics_path: str = ""
    ) -> None:
        self.core = core
        self.metrics_path = metrics_path
        self.places = threading.BoundedSemaphore(max_calls)
        self.timeout_s = timeout_s
        self.address_family = family_of(host)
        super().__init__((host, port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """A client that hangs up is no event; anything else is logged."""
        if not isinstance(sys.exception(), ConnectionError):
            _log.exception("a REST connection failed unexpectedly")

    def start(self) -> None:
        """Answer calls in a thread of its own until the process ends."""
        threading.Thread(target=self.serve_forever, name="rest", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: RestServer
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.timeout_s)

    def do_GET(self) -> None:
        """Model status and metadata."""
        self._answer()

    def do_POST(self) -> None:
        """Predict."""
        self._answer()

    # Every other method is refused alike.
    do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_GET

    def _answer(self) -> None:
        body = self._body()
        if body is None:
            return
        target = self.requestline.split()[1]  # `self.path` is without further slashes at its start
        path, _, query = target.partition("?")
        if path == self.server.metrics_path:
            refusal = f"Unexpected path: {target}. Should be {path}" if query else ""
            self._send(400 if refusal else 200, "text/plain", refusal or monitoring.page())
            return
        if not target.lower().startswith("/v1/"):
            self._send(404, "text/html", _NOT_FOUND)
            return
        with self.server.places:
            status, document = self._call(target, body)
        self._send(status, "application/json", "" if document is None else json.dumps(document, indent=4))

    def _body(self) -> bytes | None:
        length, coding = self.headers.get("Content-Length", "0"), self.headers.get("Transfer-Encoding", "")
        try:
            if coding.lower() == "chunked":
                return b"".join(self._chunks())
            if not coding and _LENGTH.fullmatch(length):
                return self.rfile.read(int(length))
        except ValueError:
            pass
        # What follows cannot be told from the next request.
        self.close_connection = True
        self._send(411, "application/json", json.dumps({"error": "Content-Length required"}))
        return None

    def _chunks(self) -> Iterator[bytes]:
        """The parts of a chunked body; trailers are passed over. Raises ValueError for what is no chunk."""
        while size := self._chunk_size():
            yield self.rfile.read(size)
            if self.rfile.readline(_MAX_LINE) not in (b"\r\n", b"\n"):
                raise ValueError("a chunk does not end where it says")
        while self.rfile.readline(_MAX_LINE) not in (b"\r\n", b"\n", b""):
            pass

    def _chunk_size(self) -> int:
        line = self.rfile.readline(_MAX_LINE).partition(b";")[0].strip()
        if not _CHUNK_SIZE.fullmatch(line):
            raise ValueError("no size of a chunk")
        return int(line, 16)

    def _call(self, path: str, body: bytes) -> tuple[int, object]:
        try:
            return 200, answer(self.server.core, self.command, path, body)
        except ServingError as error:
            return status_of(error), {"error": error.message} if error.message else None
        except Exception:  # noqa: BLE001 - a client never sees a trace
            _log.exception("a REST call failed unexpectedly")
            return 500, {"error": "internal error"}

    def _send(self, status: int, content_type: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of single calls."""
