"""The Flask application and what happens around every request."""

from __future__ import annotations

import logging
import time
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http import cors, docs, models, page, predict, problems, recordings, samples
from preprocess_gateway.http.admission import Admission
from preprocess_gateway.http.door import Door
from preprocess_gateway.http.live import asyncapi
from preprocess_gateway.http.live import routes as live
from preprocess_gateway.http.proxies import behind_proxies
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.http.uploads import Uploads
from preprocess_gateway.quotas import Ledger
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry import tracing
from preprocess_gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    predictor: Predictor,
    metrics: Metrics,
    reading: ReadDeadlines | None = None,
    ledger: Ledger | None = None,
) -> Flask:
    """The gateway over what it is given: nothing is started here, and nothing is left to close.

    Without `reading` no request has a deadline of reading, as in a process that has no sockets. Without `ledger` the
    limits are those of this process alone.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # probabilities in the order of the model's emotions
    reading = reading or ReadDeadlines(settings.read_timeout_s)
    ledger = ledger or Ledger()
    uploads = Uploads(settings, reading, ledger)
    admission = Admission(settings.concurrency, ledger.quota("places", settings.places), settings.queue_s)
    door = Door(app.wsgi_app, admission, metrics, log, settings.retry_after_s)
    app.wsgi_app = behind_proxies(door, settings)  # type: ignore[assignment, method-assign]
    app.register_blueprint(predict.blueprint(settings, predictor, metrics, uploads, admission))
    app.register_blueprint(asyncapi.blueprint(settings))
    app.register_blueprint(live.blueprint(settings, predictor, metrics, reading, ledger))
    app.register_blueprint(recordings.blueprint(settings, predictor, metrics, uploads))
    app.register_blueprint(models.blueprint(predictor))
    app.register_blueprint(docs.blueprint(settings))
    if settings.page:
        app.register_blueprint(page.blueprint(settings, predictor.models))
    if settings.samples:
        app.register_blueprint(samples.blueprint())
    cors.allow_origins(app, settings.cors_origins)
    problems.register(app, settings.retry_after_s, metrics.shed)
    _observe(app, metrics)
    return app


def _observe(app: Flask, metrics: Metrics) -> None:
    @app.before_request
    def begin() -> None:
        g.trace = tracing.Trace.of(request.headers.get("X-Request-ID"), request.headers.get("traceparent"))
        g.token = tracing.current.set(g.trace)
        g.request_id = g.trace.request_id
        g.begun = time.perf_counter()
        metrics.in_progress.inc()

    @app.after_request
    def redirect_to_a_path(response: Response) -> Response:
        """A redirect, as from `/v1//models`, names no host and scheme: they are only what the client sent."""
        if response.location is not None:
            response.location = urlsplit(response.location)._replace(scheme="", netloc="").geturl()
            response.set_data("")
        return response

    @app.after_request
    def finish(response: Response) -> Response:
        # The rule, not the path: a stranger's paths would make series without end.
        route = request.url_rule.rule if request.url_rule else "other"
        seconds = time.perf_counter() - g.begun
        metrics.requests.labels(route, str(response.status_code)).inc()
        metrics.request_duration.labels(route).observe(seconds)
        response.headers["X-Request-ID"] = g.request_id
        line = {"route": route, "method": request.method, "status": response.status_code}
        log.info("answered", extra={**line, "duration_s": round(seconds, 4), "code": g.get("error_code")})
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        metrics.in_progress.dec()
        tracing.current.reset(g.token)
