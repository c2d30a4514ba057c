"""The OpenAPI description against a real gunicorn and a real model server."""

from __future__ import annotations

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from tests.support import clips
from tests.support.gateway import Gateway

CHECKED = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
    checks.unsupported_method,
]
"""Not `positive_data_acceptance`: no schema can say that bytes are a clip, so a body that fits it may be refused."""
BOUNDED = settings(
    max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)

RAW = {
    "application/octet-stream": clips.tone(),
    "application/ogg": clips.tone(format="OGG", subtype="VORBIS"),
    "audio/wav": clips.tone(subtype="PCM_24"),
    "audio/flac": clips.tone(format="FLAC"),
    "audio/ogg": clips.tone(format="OGG", subtype="OPUS"),
    "audio/mpeg": clips.tone(format="MP3"),
    "application/mp4": clips.contained("ipod", "aac"),
    "application/x-matroska": clips.contained("webm", "libopus"),
    "video/mp4": clips.contained("mp4", "aac"),
    "video/quicktime": clips.contained("mov", "aac"),
    "video/3gpp": clips.contained("mp4", "aac"),
    "video/webm": clips.contained("webm", "libopus"),
}
schemathesis.serializer.alias([each for each in RAW if each != "application/octet-stream"], "application/octet-stream")
"""Without it schemathesis sends none of these types."""


@pytest.fixture(scope="module")
def described(gateway: Gateway) -> schemathesis.BaseSchema:
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
    # A form of too many parts is refused by its size before anybody looks at what it has.
    schema.config.checks.negative_data_rejection.expected_statuses += ["413"]
    return schema


@pytest.mark.parametrize(
    ("path", "method", "mode"),
    [
        ("/predict", "POST", GenerationMode.POSITIVE),
        ("/predict", "POST", GenerationMode.NEGATIVE),
        ("/v1/models", "GET", GenerationMode.POSITIVE),
        ("/v1/models/{name}/predict", "POST", GenerationMode.POSITIVE),
        ("/v1/models/{name}/predict", "POST", GenerationMode.NEGATIVE),
        ("/v1/recordings", "POST", GenerationMode.POSITIVE),
        ("/v1/recordings", "POST", GenerationMode.NEGATIVE),
    ],
)
def test_whatever_is_sent_is_answered_as_described(
    described: schemathesis.BaseSchema, path: str, method: str, mode: GenerationMode
) -> None:
    @BOUNDED
    @given(case=described[path][method].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKED)

    check()


def test_a_clip_is_answered_as_described_under_any_query(described: schemathesis.BaseSchema) -> None:
    seen = set()

    @BOUNDED
    @given(case=described["/predict"]["POST"].as_strategy(generation_mode=GenerationMode.POSITIVE))
    def check(case: schemathesis.Case) -> None:
        response = case.call(files={"file": clips.tone()})
        case.validate_response(response, checks=CHECKED)
        seen.add(response.status_code)

    check()
    assert 200 in seen


def test_every_raw_type_that_is_described_has_a_clip_here(described: schemathesis.BaseSchema) -> None:
    described_types = set(described["/predict"]["POST"].definition.raw["requestBody"]["content"])
    assert described_types - {"multipart/form-data"} == set(RAW)


@pytest.mark.parametrize("media_type", RAW)
def test_a_raw_clip_is_answered_as_described(described: schemathesis.BaseSchema, media_type: str) -> None:
    case = described["/predict"]["POST"].Case(query={"timeline": "true"}, body=RAW[media_type], media_type=media_type)
    response = case.call()
    assert response.status_code == 200, response.text
    assert response.request.headers["Content-Type"] == media_type
    assert response.request.body == RAW[media_type]
    case.validate_response(response, checks=CHECKED)


@pytest.mark.parametrize("media_type", RAW)
def test_a_raw_body_that_is_no_clip_is_refused_as_described(
    described: schemathesis.BaseSchema, media_type: str
) -> None:
    case = described["/predict"]["POST"].Case(body=b"RIFF no clip", media_type=media_type)
    response = case.call()
    assert 400 <= response.status_code < 500
    case.validate_response(response, checks=CHECKED)


def test_the_description_is_stable(gateway: Gateway) -> None:
    first, second = (requests.get(f"{gateway.url}/openapi.json", timeout=60) for _ in range(2))
    assert first.content == second.content
    assert first.json()["openapi"].startswith("3.1")
    assert set(first.json()["paths"]) == {
        "/predict", "/v1/models", "/v1/models/{name}/predict", "/v1/models/{name}/recordings", "/v1/recordings",
    }  # fmt: skip
