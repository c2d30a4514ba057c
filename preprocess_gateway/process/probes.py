"""Probes and metrics on a port and thread of their own: slow uploads must not fail a probe."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from preprocess_gateway.process.readiness import Readiness
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.probes import Answer, AnswerServer


class ProbeServer:
    """`/healthz` of one worker, `/readyz` and `/metrics` of all; the base path, which kubelet omits, is optional."""

    def __init__(self, host: str, port: int, readiness: Readiness, metrics: Metrics, base_path: str = "") -> None:
        self._base_path = base_path
        self._readiness = readiness
        self._metrics = metrics
        self.draining = False
        # Each worker listens on the same port, so a worker that hangs fails some probes.
        self._server = AnswerServer(host, port, self.answer, shared=True)

    def start(self) -> None:
        """Serve in a thread."""
        self._server.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.close()

    def answer(self, path: str) -> Answer:
        """Status, content type and body for a path."""
        match path.removeprefix(self._base_path):
            case "/healthz":
                return 200, "text/plain", b"ok\n"
            case "/readyz" if self._readiness.gateway_ready:
                return 200, "text/plain", b"ready\n"
            case "/readyz" if self.draining:
                return 503, "text/plain", b"draining\n"
            case "/readyz":
                return 503, "text/plain", b"the model has not described itself yet\n"
            case "/metrics":
                return 200, CONTENT_TYPE_PLAIN_0_0_4, self._metrics.exposition()
            case _:
                return 404, "text/plain", b"not found\n"
