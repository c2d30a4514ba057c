"""`POST /predict` and `POST /v1/models/NAME/predict`: a clip in the body, its emotion as JSON."""

from __future__ import annotations

import time
from contextlib import ExitStack

from flask import Blueprint, Request, Response, g, jsonify, request

from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.http.admission import Admission
from preprocess_gateway.http.query import read_options
from preprocess_gateway.http.results import answer_each
from preprocess_gateway.http.uploads import Uploads, check_headers
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio import raw_of

AFFINITY_KEY = "X-Affinity-Key"
OLD_AFFINITY_KEY = "X-Client-Key"  # its name before; still read


def blueprint(
    settings: Settings, predictor: Predictor, metrics: Metrics, uploads: Uploads, admission: Admission
) -> Blueprint:
    """The routes, bound to their collaborators."""
    routes = Blueprint("predict", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        return answer_with(predictor.models.default)

    @routes.post("/v1/models/<name>/predict")
    def predict_by(name: str) -> Response:
        return answer_with(predictor.models.get(name))

    def answer_with(model: ServedModel) -> Response:
        options = read_options(request.args, raw_of(request.mimetype, request.mimetype_params))
        model.check(options, affinity_key_of(request))
        with ExitStack() as held:
            form = check_headers(request, settings.max_body_bytes)
            place = held.enter_context(admission.enter())
            with metrics.stage("read"):
                clips = held.enter_context(uploads.read(request, form, on_slow=place.leave))
            deadline = time.monotonic() + settings.deadline_s
            context = RequestContext(deadline, affinity_key_of(request), g.trace.metadata)
            with metrics.stage("admission"):
                held.enter_context(place.slot(context.deadline))
            if len(clips) == 1:
                return jsonify(predictor.predict(model, clips[0], options, context).to_json(g.request_id))
            results = answer_each(
                clips,
                lambda clip: predictor.predict(model, clip, options, context),
                g.request_id,
                request.script_root,
            )
        return jsonify({"results": results, "request_id": g.request_id})

    return routes


def affinity_key_of(request: Request) -> str:
    """What decides which label answers a client: the header's value, or the client's address."""
    headers = request.headers
    return headers.get(AFFINITY_KEY) or headers.get(OLD_AFFINITY_KEY) or request.remote_addr or ""
