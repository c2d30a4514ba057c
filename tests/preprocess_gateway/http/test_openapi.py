"""The description and the page made from it, without a server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser

import pytest
from flask.testing import FlaskClient

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.core.answer import Answer
from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.http.catalogue import error_table
from preprocess_gateway.http.docs import POLICY
from preprocess_gateway.http.models import describe
from preprocess_gateway.http.openapi_recordings import ProgressLine, SummaryLine, WindowLine
from preprocess_gateway.http.record_formats import MEDIA_TYPES
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.contract import Description
from speech_emotion.features import SEED_SPEC
from tests.support.served import models


@pytest.fixture
def client() -> Iterator[FlaskClient]:
    """A gateway whose model server is not there."""
    with application() as running:
        yield running


@pytest.fixture
def client_without_samples() -> Iterator[FlaskClient]:
    """The same without the recordings that ship."""
    with application(samples=False) as running:
        yield running


@contextmanager
def application(**changes: bool) -> Iterator[FlaskClient]:
    settings, metrics = Settings(model_server="127.0.0.1:1", **changes), Metrics()
    with models(settings, metrics) as served:
        yield create_app(settings, Predictor(settings, served, metrics), metrics).test_client()


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.links += [named[name] for name in ("href", "src") if name in named]
        self.ids += [named["id"]] if "id" in named else []
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in named) or "style" in named else []


def test_the_page_is_bundled_and_its_paths_are_relative(client: FlaskClient) -> None:
    response = client.get("/docs")
    assert response.status_code == 200
    page = Links(response.text)
    assert len(page.ids) == len(set(page.ids))
    assert page.inline == []
    for link in page.links:
        assert not link.startswith(("/", "http", "#")), link
        with client.get(f"/{link}") as asset:
            assert asset.status_code == 200, link
    assert {"docs/swagger-ui-bundle.js", "docs/swagger-ui.css"} <= set(page.links)
    assert response.headers["Content-Security-Policy"] == POLICY
    assert "default-src 'none'" in POLICY
    assert "unsafe" not in POLICY


@pytest.mark.parametrize("name", ["docs.html", "swagger-ui.js", "LICENSE", "..%2fdocs.py", ""])
def test_nothing_else_lies_under_docs(client: FlaskClient, name: str) -> None:
    answer = client.get(f"/docs/{name}")
    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


def test_a_gateway_without_samples_links_to_none(client_without_samples: FlaskClient) -> None:
    links = Links(client_without_samples.get("/docs").text).links
    assert [link for link in links if link.startswith("samples/")] == []


def test_a_problems_type_leads_to_its_text(client: FlaskClient) -> None:
    ids = Links(client.get("/docs").text).ids
    assert [error.code for error in error_table() if error.code not in ids] == []
    problem = client.get("/nowhere").json
    assert problem["type"] == "/docs#not_found"
    assert problem["title"] == "Not found"


def test_every_field_and_parameter_has_a_text(client: FlaskClient) -> None:
    document = client.get("/openapi.json").json
    schemas = document["components"]["schemas"]
    assert set(schemas["PredictAnswer"]["properties"]) == {*Answer.model_fields, "request_id"}
    untold = [
        f"{name}.{field}"
        for name in (
            "PredictAnswer",
            "Window",
            "Problem",
            "Models",
            "ModelVersion",
            "Audio",
            "Model",
            "RecordingSummary",
            "ChannelRecording",
            "Segment",
            "WindowLine",
            "ProgressLine",
            "SummaryLine",
            "ProblemLine",
        )
        for field, schema in schemas[name]["properties"].items()
        if not schema.get("description") and "$ref" not in schema
    ]
    assert untold == []
    references = set(re.findall(r'"#/components/schemas/(\w+)"', client.get("/openapi.json").text))
    assert references <= set(schemas)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/predict", 405, "method_not_allowed"),
        ("POST", "/docs", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/docs/", 404, "not_found"),
        ("GET", "/v1/models", 503, "model_unavailable"),
        ("POST", "/predict?top=0", 400, "bad_query"),
        ("POST", "/predict?top=1.0", 400, "bad_query"),
        ("POST", "/predict?top=1001", 400, "bad_query"),
        ("POST", "/predict?top=1&top=2", 400, "bad_query"),
        ("POST", "/predict?timeline=yes", 400, "bad_query"),
        ("POST", "/predict?timline=true", 400, "bad_query"),
        ("GET", "/v1/recordings", 405, "method_not_allowed"),
        ("POST", "/v1/recordings?timeline=true", 400, "bad_query"),
        ("POST", "/v1/recordings", 411, "length_required"),
    ],
)
def test_errors_of_every_path_are_problems(client: FlaskClient, method: str, path: str, status: int, code: str) -> None:
    response = client.open(path, method=method)
    assert (response.status_code, response.json["code"]) == (status, code)
    assert response.content_type == "application/problem+json"


def test_the_lines_of_the_example_are_as_described(client: FlaskClient) -> None:
    content = client.get("/openapi.json").json["paths"]["/v1/recordings"]["post"]["responses"]["200"]["content"]
    lines = [json.loads(line) for line in content["application/x-ndjson"]["example"].splitlines()]
    kinds = {"window": WindowLine, "progress": ProgressLine, "summary": SummaryLine}
    read = [kinds[line["type"]].model_validate(line) for line in lines]
    assert [each.model_dump(mode="json", exclude_unset=True) for each in read] == lines
    assert set(content) == set(MEDIA_TYPES)


def test_a_version_with_two_labels_is_one_entry() -> None:
    described = Description(SEED_SPEC, ("joy", "sorrow"), {"data": "none"})
    served = [ServedVersion("canary", 3, described), ServedVersion("stable", 2, described)]
    model = describe("speech_emotion", [*served, ServedVersion("next", 3, described)])
    assert [(one.version, one.labels) for one in model.versions] == [(2, ("stable",)), (3, ("canary", "next"))]
    assert model.versions[0].feature_fingerprint == SEED_SPEC.fingerprint
