"""`GET /openapi.json`, and the same to read at `/docs`: no script, nothing from another host."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from flask import Blueprint, Response, jsonify, render_template

from preprocess_gateway.http.catalogue import error_table
from preprocess_gateway.http.openapi import build_document
from preprocess_gateway.settings import Settings

STYLE = files("preprocess_gateway.http").joinpath("templates/docs.css").read_text("utf-8")
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def blueprint(settings: Settings) -> Blueprint:
    """The routes; the document is built once."""
    routes = Blueprint("docs", __name__)
    document = build_document(settings)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return jsonify(document)

    @routes.get("/docs")
    def docs() -> Response:
        page = render_template("docs.html", document=document, errors=error_table(), style=STYLE)
        response = Response(page, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return routes
