"""The page at `/`, and the card of a model at `/card`: what lies in `page/`, under a strict policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from flask import Blueprint, Response, abort, make_response, render_template, request, send_from_directory

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.core.served_models import ServedModels
from preprocess_gateway.http import cards
from preprocess_gateway.http.policies import ON_PAGES, SELF, content_policy
from preprocess_gateway.settings import Settings

PAGE: Final = Path(__file__).parents[1] / "page"
# Named here, as a machine's own table of types may say otherwise, and `nosniff` lets no browser guess.
TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY: Final = content_policy(media="blob:")
POLICY_BELOW_A_PATH: Final = content_policy(media="blob:", base=SELF)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    **ON_PAGES,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def blueprint(settings: Settings, models: ServedModels) -> Blueprint:
    """The routes; the page is told the limits that the service applies, and what the models' cards say."""
    routes = Blueprint("page", __name__, template_folder=str(PAGE))

    @routes.get("/")
    def index() -> Response:
        about = cards.sentences(models.default.stable().description.card) if models.default.ready else ()
        return _page("index.html", settings=settings, models=[model.name for model in models], about=about)

    @routes.get("/card")
    def card() -> Response:
        model = models.get(request.args.get("model", models.default.name))
        wanted = request.args.get("version")
        served = model.stable() if wanted is None else _version(model.served(), wanted)
        return _card(model.name, served)

    @routes.get("/page/<path:name>")
    def asset(name: str) -> Response:
        kind = TYPES.get(Path(name).suffix)
        if kind is None:
            abort(404)
        return send_from_directory(PAGE, name, mimetype=kind)

    @routes.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        if request.script_root:
            response.headers["Content-Security-Policy"] = POLICY_BELOW_A_PATH
        return response

    return routes


def _version(served: tuple[ServedVersion, ...], wanted: str) -> ServedVersion:
    """The version of this number; 404 if it does not answer here now."""
    for one in served:
        if wanted == str(one.version):
            return one
    abort(404)


def _card(name: str, served: ServedVersion) -> Response:
    card, emotions = served.description.card, served.description.emotions
    figures = cards.figures(card)
    square = figures is not None and [len(row) for row in figures.confusion] == [len(emotions)] * len(emotions)
    return _page(
        "card.html",
        name=name,
        served=served,
        card=card,
        data=cards.section(cards.Data, card.get("data")),
        figures=figures,
        confusion=cards.shares(figures.confusion) if figures and square else (),
        sentences=cards.sentences(card),
        text=json.dumps(card, indent=1, ensure_ascii=False),
    )


def _page(template: str, **values: object) -> Response:
    response = make_response(render_template(template, **values))
    response.add_etag()
    response.make_conditional(request)
    return response
