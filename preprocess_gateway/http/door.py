"""The door: if no place is free, a request with a clip is refused before it reaches the application."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from preprocess_gateway.errors import OverloadedError
from preprocess_gateway.http.admission import FULL, Admission
from preprocess_gateway.http.problems import PROBLEM_TYPE, describe, problem
from preprocess_gateway.telemetry import tracing
from preprocess_gateway.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from logging import Logger

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ROUTES: Final = {
    "/predict": re.compile("/predict"),
    "/v1/models/<name>/predict": re.compile("/v1/models/[^/]+/predict"),
}
"""Routes of clips, by their rules in the application."""


class Door:
    """Answers 503 as the application would, at a fraction of the cost; passes a request on if a place is free.

    A request with an `Origin` is passed on in any case: the application says which headers that page may read.
    """

    def __init__(
        self, app: WSGIApplication, admission: Admission, metrics: Metrics, log: Logger, retry_after_s: int
    ) -> None:
        """`log` gets the line of each answer."""
        self._app = app
        self._admission = admission
        self._metrics = metrics
        self._log = log
        self._retry_after_s = retry_after_s

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        if environ["REQUEST_METHOD"] == "POST" and self._admission.full and "HTTP_ORIGIN" not in environ:
            for route, pattern in ROUTES.items():
                if pattern.fullmatch(environ["PATH_INFO"]):
                    return self._refuse(route, environ, start_response)
        return self._app(environ, start_response)

    def _refuse(self, route: str, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        begun = time.perf_counter()
        trace = tracing.Trace.of(environ.get("HTTP_X_REQUEST_ID"), environ.get("HTTP_TRACEPARENT"))
        with tracing.using(trace):
            refused = OverloadedError(FULL, reason="queue_full")
            status, code, detail = describe(refused)
            document = problem(status, code, detail, trace.request_id, environ.get("SCRIPT_NAME", ""))
            body = json.dumps(document).encode()
            seconds = time.perf_counter() - begun
            self._metrics.shed.labels(refused.reason, route).inc()
            self._metrics.requests.labels(route, str(status)).inc()
            self._metrics.request_duration.labels(route).observe(seconds)
            line = {"route": route, "method": "POST", "status": status, "duration_s": round(seconds, 4), "code": code}
            self._log.info("answered", extra=line)
        headers = {
            "Content-Type": PROBLEM_TYPE,
            "Content-Length": str(len(body)),
            "Retry-After": str(self._retry_after_s),
            "X-Request-ID": trace.request_id,
        }
        start_response(f"{status} {HTTPStatus(status).phrase.upper()}", list(headers.items()))
        return [body]
