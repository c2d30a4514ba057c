"""Which pages of other origins may ask: none by default, those of the settings otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask.testing import FlaskClient

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from tests.support.served import models

ALLOWED = "Access-Control-Allow-Origin"
OURS, OTHERS = "https://app.example:8443", "https://evil.example"


@contextmanager
def client(*origins: str) -> Iterator[FlaskClient]:
    """A gateway whose model server is not there."""
    settings, metrics = Settings(model_server="127.0.0.1:1", cors_origins=origins), Metrics()
    with models(settings, metrics) as served:
        yield create_app(settings, Predictor(settings, served, metrics), metrics).test_client()


@pytest.mark.parametrize(
    ("origins", "origin", "answered"),
    [
        ((), OURS, None),
        ((OURS,), OURS, OURS),
        ((OURS,), OURS.upper(), OURS.upper()),  # hosts know no case
        ((OURS,), OTHERS, None),
        ((OURS,), None, None),
        ((OURS,), "null", None),
        ((OURS,), f"{OURS}.evil.example", None),
        ((OURS,), "https://appXexample:8443", None),  # a dot is no pattern
        ((OURS,), "http://app.example:8443", None),
        ((OURS,), "https://app.example", None),
        (("http://[::1]:3000",), "http://[::1]:3000", "http://[::1]:3000"),
        (("http://[::1]:3000",), "http://1:3000", None),
        ((OTHERS, OURS), OURS, OURS),
        (("*",), OURS, "*"),
        ((OURS, "*"), OTHERS, "*"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/predict"), ("POST", "/v1/models/speech_emotion/predict"), ("GET", "/v1/models")]
)
def test_only_pages_of_the_origins_named_may_read_answers(
    origins: tuple[str, ...], origin: str | None, answered: str | None, method: str, path: str
) -> None:
    with client(*origins) as asked:
        response = asked.open(path, method=method, headers={"Origin": origin} if origin else {})
    assert response.headers.get(ALLOWED) == answered
    if answered not in (None, "*"):
        assert "Origin" in response.headers["Vary"]  # no cache may give one origin's answer to another
    if answered:
        assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("path", ["/predict", "/v1/models/speech_emotion/predict", "/v1/models"])
def test_a_preflight_says_what_may_be_sent(path: str) -> None:
    method = "GET" if path == "/v1/models" else "POST"
    asks = {
        "Origin": OURS,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-affinity-key,x-secret",
    }
    with client(OURS) as asked:
        response = asked.options(path, headers=asks)
        refused = asked.options(path, headers={**asks, "Origin": OTHERS})
    assert response.status_code == 200
    assert response.headers[ALLOWED] == OURS
    assert method in response.headers["Access-Control-Allow-Methods"]
    allowed = response.headers["Access-Control-Allow-Headers"].lower()
    assert ("content-type" in allowed, "x-affinity-key" in allowed, "x-secret" in allowed) == (True, True, False)
    assert int(response.headers["Access-Control-Max-Age"]) > 0
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert ALLOWED not in refused.headers


def test_the_page_and_unknown_paths_are_no_part_of_the_api() -> None:
    with client(OURS, "*") as asked:
        for path in ("/", "/docs", "/nowhere", "/predictor"):
            assert ALLOWED not in asked.get(path, headers={"Origin": OURS}).headers
