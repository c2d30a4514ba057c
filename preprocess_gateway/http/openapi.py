"""The service's OpenAPI 3.1 description, made from the code that answers."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from itertools import groupby
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from preprocess_gateway.core.answer import Answer
from preprocess_gateway.http.catalogue import ErrorEntry, error_table
from preprocess_gateway.http.models import Models
from preprocess_gateway.http.problems import PROBLEM_TYPE
from preprocess_gateway.http.query import PredictQuery
from preprocess_gateway.http.uploads import MULTIPART, RAW_TYPES
from preprocess_gateway.settings import Settings

Json = dict[str, Any]
EXAMPLE_TYPES = (
    "audio/wav", "audio/flac", "audio/ogg", "audio/mpeg", "video/mp4", "video/webm", "video/quicktime", "video/3gpp",
)  # fmt: skip
"""Any audio or video type is taken."""
BYTES: Json = {"type": "string", "format": "binary"}
NOT_SHOWN = ("title", "description")
LIMITS = ("max_body_bytes", "max_duration_s", "min_sample_rate", "max_sample_rate", "max_channels", "deadline_s")
ANYWHERE = ("404", "405", "4XX", "500")
"""What any path may answer; told once under /docs, and with each operation only where a client meets it."""


class PredictAnswer(Answer):
    """The body of a 200."""

    request_id: str
    """Also the header `X-Request-ID`."""


class Problem(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """`/docs#` and the code: a reference that leads to the error's text on this gateway."""
    title: str
    """The code, in words."""
    status: int
    """The HTTP status again."""
    code: str
    """Stable name of the error."""
    detail: str
    """What was wrong with this request."""
    request_id: str
    """Also the header `X-Request-ID`."""


class PredictAnswers(BaseModel):
    """The body of a 200 for a form with several files."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    results: tuple[PredictAnswer | Problem, ...]
    """For each file, in the form's order, what it alone would get: an answer or a problem."""
    request_id: str
    """Also the header `X-Request-ID`."""


def build_document(settings: Settings) -> Json:
    """The description of a gateway with these settings; the same settings give the same document."""
    _, schemas = models_json_schema(
        [(model, "validation") for model in (PredictAnswer, PredictAnswers, Models, Problem)],
        ref_template="#/components/schemas/{model}",
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Speech Emotion Serving",
            "version": version("speech-emotion-serving"),
            "summary": "Speech in, an emotion out.",
            "description": "The `Accept` header is not looked at: answers are JSON, errors `application/problem+json`. "
            "Live streams are described at `/asyncapi.json`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/predict": {"post": _predict(settings)},
            "/v1/models": {"get": _models()},
            "/v1/models/{name}/predict": {"post": _predict_by_name(settings)},
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _predict(settings: Settings) -> Json:
    limits = "".join(f"\n- `GATEWAY_{name.upper()}`: {getattr(settings, name)}" for name in LIMITS)
    return {
        "operationId": "predict",
        "summary": "The emotion of a clip",
        "description": f"The content of the clip decides its format. Limits of this gateway:\n{limits}",
        "parameters": _query_parameters(),
        "requestBody": {"required": True, "content": _bodies(settings.max_files)},
        "responses": {
            "200": _json_response(
                "The clip's emotion, or none where there is no speech; of several files, one result for each.",
                "PredictAnswer",
                "PredictAnswers",
            ),
            **_problems(lambda error: error.status not in ANYWHERE),
            **_problems(lambda error: error.status in ("4XX", "500")),
        },
    }


def _predict_by_name(settings: Settings) -> Json:
    by_default = _predict(settings)
    name = {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "The model's name, as `GET /v1/models` lists it.",
        "schema": {"type": "string", "enum": list(settings.models)},
    }
    return {
        **by_default,
        "operationId": "predict_by_name",
        "summary": "The emotion of a clip, by the model of a name",
        "parameters": [name, *_query_parameters()],
        "responses": {**by_default["responses"], **_problems(lambda error: error.code == "unknown_model")},
    }


def _models() -> Json:
    return {
        "operationId": "models",
        "summary": "The versions that answer, and what they say of themselves",
        "responses": {
            "200": _json_response("What each label means now.", "Models"),
            **_problems(lambda error: error.code == "model_unavailable"),
            **_problems(lambda error: error.status in ("4XX", "500")),
        },
    }


def _bodies(max_files: int) -> Json:
    # No `maxItems`: more are refused by 413, which tools do not take for a refusal of what the schema rules out.
    files = {"type": "array", "items": BYTES, "minItems": 1, "description": f"At most {max_files} files."}
    form = {"type": "object", "required": ["file"], "properties": {"file": {"oneOf": [BYTES, files]}}}
    encoding = {"file": {"contentType": "application/octet-stream"}}
    raw = {media_type: {"schema": BYTES} for media_type in (*RAW_TYPES, *EXAMPLE_TYPES)}
    return {MULTIPART: {"schema": form, "encoding": encoding}, **raw}


def _query_parameters() -> list[Json]:
    properties: dict[str, Json] = PredictQuery.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema["description"],
            "schema": {key: value for key, value in schema.items() if key not in NOT_SHOWN and value is not None},
        }
        for name, schema in properties.items()
    ]


def _problems(wanted: Callable[[ErrorEntry], bool]) -> Json:
    chosen = (error for error in error_table() if wanted(error) and not error.streams)
    return {
        status: _problem_response(*(f"`{error.code}`: {error.text}" for error in errors))
        for status, errors in groupby(chosen, key=lambda error: error.status)
    }


def _problem_response(*lines: str) -> Json:
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": "\n".join(lines), "content": content}


def _json_response(description: str, *models: str) -> Json:
    schemas = [{"$ref": f"#/components/schemas/{model}"} for model in models]
    return {
        "description": description,
        "content": {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}},
    }
