"""`POST /predict`: a clip in the form field `file`, its emotion as JSON."""

from __future__ import annotations

import time

from flask import Blueprint, Response, g, jsonify, request

from preprocess_gateway.errors import MissingFileError, NotMultipartError
from preprocess_gateway.metrics import Metrics
from preprocess_gateway.predictor import Predictor
from preprocess_gateway.routes.query import read_options
from preprocess_gateway.settings import Settings


def blueprint(settings: Settings, predictor: Predictor, metrics: Metrics) -> Blueprint:
    """The route, bound to its collaborators."""
    routes = Blueprint("predict", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        deadline = time.monotonic() + settings.deadline_s
        options = read_options(request.args)
        with metrics.stage("read"):
            data = read_upload()
        return jsonify(predictor.predict(data, options, deadline).to_json(g.request_id))

    return routes


def read_upload() -> bytes:
    """The bytes of the form field `file`. Raises NotMultipartError or MissingFileError."""
    if request.mimetype != "multipart/form-data":
        raise NotMultipartError("send the clip as multipart/form-data in a field named `file`")
    upload = request.files.get("file")
    if upload is None:
        raise MissingFileError("the form has no file in a field named `file`")
    data: bytes = upload.read()
    return data
