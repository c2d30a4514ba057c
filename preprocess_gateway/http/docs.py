"""`GET /openapi.json`, and `/docs`: the same in Swagger UI, and every error. Nothing comes from another host."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import flask_swagger_ui
from flask import (
    Blueprint,
    Response,
    abort,
    current_app,
    jsonify,
    make_response,
    render_template,
    request,
    send_from_directory,
)

from preprocess_gateway.http.catalogue import error_table
from preprocess_gateway.http.openapi import build_document
from preprocess_gateway.http.page import PAGE
from preprocess_gateway.http.policies import ON_PAGES, SELF, content_policy
from preprocess_gateway.settings import Settings
from speech_emotion.samples import samples

OWN: Final = Path(__file__).parent / "templates"
SWAGGER_UI: Final = Path(flask_swagger_ui.__file__).parent / "dist"
ASSETS: Final = {
    "docs.css": (OWN, "text/css"),
    "docs.js": (OWN, "text/javascript"),
    "icon.svg": (PAGE, "image/svg+xml"),
    "swagger-ui.css": (SWAGGER_UI, "text/css"),
    "swagger-ui-bundle.js": (SWAGGER_UI, "text/javascript"),
}
POLICY: Final = content_policy(images=f"{SELF} data:")  # the icons in Swagger UI's style sheet
HEADERS: Final = {"Content-Security-Policy": POLICY, **ON_PAGES}
LIVE: Final = "/asyncapi.json"


def blueprint(settings: Settings) -> Blueprint:
    """The routes; the document is built once."""
    routes = Blueprint("docs", __name__)
    document = build_document(settings)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        # Where no path is known, beside this document, whatever path a proxy puts in front of both.
        return jsonify({**document, "servers": [{"url": request.script_root or "."}]})

    @routes.get("/docs")
    def docs() -> Response:
        live = any(rule.rule == LIVE for rule in current_app.url_map.iter_rules())
        clips = samples() if settings.samples else ()
        page = render_template("docs.html", info=document["info"], errors=error_table(), clips=clips, live=live)
        return _protected(make_response(page))

    @routes.get("/docs/<name>")
    def asset(name: str) -> Response:
        if name not in ASSETS:
            abort(404)
        folder, kind = ASSETS[name]
        return _protected(send_from_directory(folder, name, mimetype=kind))

    return routes


def _protected(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response
