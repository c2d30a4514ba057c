"""The service's OpenAPI 3.1 description, made from the code that answers."""

from __future__ import annotations

from importlib.metadata import version

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from preprocess_gateway.core.answer import Answer
from preprocess_gateway.http.models import Models
from preprocess_gateway.http.openapi_parts import (
    ANYWHERE,
    Json,
    Problem,
    bodies,
    json_response,
    problems,
    query_parameters,
    several_files,
)
from preprocess_gateway.http.openapi_recordings import MODELS, recordings_path
from preprocess_gateway.http.query import PredictQuery
from preprocess_gateway.settings import Settings

LIMITS = ("max_body_bytes", "max_duration_s", "min_sample_rate", "max_sample_rate", "max_channels", "deadline_s")
OF_LONG_WORK = ("not_acceptable", "shutting_down", "version_changed")
"""Errors that no clip meets."""


class PredictAnswer(Answer):
    """The body of a 200."""

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
    described: tuple[type[BaseModel], ...] = (PredictAnswer, PredictAnswers, Models, Problem, *MODELS)
    _, schemas = models_json_schema(
        [(model, "validation") for model in described], ref_template="#/components/schemas/{model}"
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Speech Emotion Serving",
            "version": version("speech-emotion-serving"),
            "summary": "Speech in, an emotion out.",
            "description": (
                "Answers are JSON, errors `application/problem+json`. The `Accept` header is looked at by "
                "`/v1/recordings` alone. Live streams are described at `/asyncapi.json`."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "."}],
        "paths": {
            "/predict": {"post": _predict(settings)},
            "/v1/recordings": {"post": recordings_path(settings)},
            "/v1/models": {"get": _models()},
            "/v1/models/{name}/predict": {"post": _by_name(_predict(settings), settings)},
            "/v1/models/{name}/recordings": {"post": _by_name(recordings_path(settings), settings)},
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _predict(settings: Settings) -> Json:
    limits = "".join(f"\n- `GATEWAY_{name.upper()}`: {getattr(settings, name)}" for name in LIMITS)
    return {
        "operationId": "predict",
        "tags": ["predictions"],
        "summary": "The emotion of a clip",
        "description": f"The content of the clip decides its format. Limits of this gateway:\n{limits}",
        "parameters": query_parameters(PredictQuery),
        "requestBody": {"required": True, "content": bodies(several_files(settings.max_files))},
        "responses": {
            "200": json_response(
                "The clip's emotion, or none where there is no speech; of several files, one result for each.",
                "PredictAnswer",
                "PredictAnswers",
            ),
            **problems(lambda error: error.status not in ANYWHERE and error.code not in OF_LONG_WORK),
            **problems(lambda error: error.status in ("4XX", "500")),
        },
    }


def _by_name(by_default: Json, settings: Settings) -> Json:
    name = {
        "name": "name",
        "in": "path",
        "required": True,
        "description": "The model's name, as `GET /v1/models` lists it.",
        "schema": {"type": "string", "enum": list(settings.models)},
    }
    return {
        **by_default,
        "operationId": f"{by_default['operationId']}_by_name",
        "summary": f"{by_default['summary']}, by a named model",
        "parameters": [name, *by_default["parameters"]],
        "responses": {**by_default["responses"], **problems(lambda error: error.code == "unknown_model")},
    }


def _models() -> Json:
    return {
        "operationId": "models",
        "tags": ["models"],
        "summary": "The versions that answer, and how they describe themselves",
        "responses": {
            "200": json_response("What each label means now.", "Models"),
            **problems(lambda error: error.code == "model_unavailable"),
            **problems(lambda error: error.status in ("4XX", "500")),
        },
    }
