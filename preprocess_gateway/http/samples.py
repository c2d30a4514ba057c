"""`GET /samples/index.json` and `/samples/FILE`: the recordings that ship, for the page and a first request."""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, abort, send_from_directory

from preprocess_gateway.http.policies import NOTHING
from speech_emotion.samples import FOLDER, INDEX, samples

AUDIO_TYPE: Final = "audio/flac"
KEPT_S: Final = 24 * 3600
"""How long a browser may keep a recording, in seconds; the index is asked for anew, by its ETag."""
HEADERS: Final = {
    "Content-Security-Policy": NOTHING,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def blueprint() -> Blueprint:
    """The routes; only files that the index names are given out."""
    routes = Blueprint("samples", __name__)
    recordings = {sample.file for sample in samples()}

    @routes.get(f"/samples/{INDEX}")
    def index() -> Response:
        return send_from_directory(FOLDER, INDEX, mimetype="application/json")

    @routes.get("/samples/<name>")
    def recording(name: str) -> Response:
        if name not in recordings:
            abort(404)
        return send_from_directory(FOLDER, name, mimetype=AUDIO_TYPE, max_age=KEPT_S)

    @routes.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return routes
