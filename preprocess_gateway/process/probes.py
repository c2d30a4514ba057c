"""Probes and metrics on a port and thread of their own: slow uploads must not fail a probe."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.probes import Answer, AnswerServer


class ProbeServer:
    """`/healthz`, `/readyz`, `/metrics` of one worker, below its base path too: kubelet and Prometheus know none."""

    def __init__(self, host: str, port: int, predictor: Predictor, metrics: Metrics, base_path: str = "") -> None:
        self._base_path = base_path
        self._predictor = predictor
        self._metrics = metrics
        self.starting = self.draining = False
        # Each worker listens on the one port: one that hangs is found out, one that is not ready is seen. Metrics are
        # those of all workers, whoever answers.
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
            case "/readyz" if self.starting:
                return 503, "text/plain", b"starting\n"
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
