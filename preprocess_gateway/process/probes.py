"""Probes and metrics on a port and thread of their own: slow uploads must not fail a probe."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.listening import family_of


class _Server(ThreadingHTTPServer):
    # Each worker listens on the one port, and the kernel shares probes out: one that hangs is found out,
    # one that is not ready is seen. Metrics are those of all workers, whoever answers.
    allow_reuse_port = True
    daemon_threads = True

    def __init__(self, host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = family_of(host)
        super().__init__((host, port), handler)


class ProbeServer:
    """`/healthz`, `/readyz`, `/metrics` of one worker, below its base path too: kubelet and Prometheus know none."""

    def __init__(self, host: str, port: int, predictor: Predictor, metrics: Metrics, base_path: str = "") -> None:
        self._base_path = base_path
        self._predictor = predictor
        self._metrics = metrics
        self.draining = False
        self._server = _Server(host, port, self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, name="probes", daemon=True)

    def start(self) -> None:
        """Serve in a thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body for a path."""
        match path.removeprefix(self._base_path):
            case "/healthz":
                return 200, "text/plain", b"ok\n"
            case "/readyz" if self.draining:
                return 503, "text/plain", b"draining\n"
            case "/readyz" if not self._predictor.ready:
                return 503, "text/plain", b"the model has not described itself yet\n"
            case "/readyz":
                return 200, "text/plain", b"ready\n"
            case "/metrics":
                return 200, CONTENT_TYPE_PLAIN_0_0_4, self._metrics.exposition()
            case _:
                return 404, "text/plain", b"not found\n"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self.answer

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
