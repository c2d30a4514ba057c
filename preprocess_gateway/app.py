"""The Flask application and what happens around every request."""

from __future__ import annotations

import time
import uuid

from flask import Flask, Response, g, request

from preprocess_gateway import errors
from preprocess_gateway.metrics import Metrics
from preprocess_gateway.predictor import Predictor
from preprocess_gateway.probes import ProbeServer
from preprocess_gateway.routes import predict
from preprocess_gateway.settings import Settings

EXTENSION = "speech_emotion_gateway"


def create_app(
    settings: Settings | None = None, predictor: Predictor | None = None, metrics: Metrics | None = None
) -> Flask:
    """The gateway, with real collaborators where none are given; call after the fork.

    Without a predictor the probes' server is started too; `app.extensions[EXTENSION]` has it.
    """
    settings = settings or Settings()
    metrics = metrics or Metrics()
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.sort_keys = False  # type: ignore[attr-defined]  # probabilities in the order of the model's labels
    if predictor is None:
        predictor = Predictor.connect(settings, metrics)
        probes = ProbeServer(settings.host, settings.probe_port, predictor, metrics)
        probes.start()
        app.extensions[EXTENSION] = probes
    app.register_blueprint(predict.blueprint(settings, predictor, metrics))
    errors.register(app, settings.retry_after_s)
    _observe(app, metrics)
    return app


def _observe(app: Flask, metrics: Metrics) -> None:
    @app.before_request
    def begin() -> None:
        g.request_id = uuid.uuid4().hex
        g.begun = time.perf_counter()
        metrics.in_progress.inc()

    @app.after_request
    def finish(response: Response) -> Response:
        # The rule, not the path: a stranger's paths would make series without end.
        route = request.url_rule.rule if request.url_rule else "other"
        metrics.requests.labels(route, str(response.status_code)).inc()
        metrics.request_duration.labels(route).observe(time.perf_counter() - g.begun)
        response.headers["X-Request-ID"] = g.request_id
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        metrics.in_progress.dec()
