"""The page at `/`: HTML, CSS and JavaScript modules as they lie in `page/`, under a strict policy."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flask import Blueprint, Response, abort, make_response, request, send_from_directory

from preprocess_gateway.settings import Settings

PAGE: Final = Path(__file__).parents[1] / "page"
# Named here, as a machine's own table of types may say otherwise, and `nosniff` lets no browser guess.
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, and asked for by ETag: modules of two releases must never mix
}


def blueprint(settings: Settings) -> Blueprint:
    """The routes; the page is told the limits that the service applies."""
    routes = Blueprint("page", __name__)
    html = (PAGE / "index.html").read_text(encoding="utf-8")
    for name in ("max_duration_s", "max_body_bytes"):
        html = html.replace(f"{{{{{name}}}}}", f"{getattr(settings, name)}")

    @routes.get("/")
    def index() -> Response:
        response = make_response(html)
        response.add_etag()
        response.make_conditional(request)
        return response

    @routes.get("/page/<path:name>")
    def asset(name: str) -> Response:
        kind = TYPES.get(Path(name).suffix)
        if kind is None:
            abort(404)
        return send_from_directory(PAGE, name, mimetype=kind)

    @routes.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response

    return routes
