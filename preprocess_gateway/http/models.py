"""`GET /v1/models`: what each model's labels mean now, from memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, jsonify
from pydantic import BaseModel, ConfigDict

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.core.predictor import Predictor
from speech_emotion.features import FeatureSpec


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ModelVersion(_Part):
    """A version that answers."""

    version: int
    """Version in the model server."""
    labels: tuple[str, ...]
    """Labels that mean this version now, such as `stable`."""
    emotions: tuple[str, ...]
    """What it tells apart, in the order of its probabilities."""
    feature_spec: FeatureSpec
    """How its features are made."""
    feature_fingerprint: str
    """SHA-256 of the specification: equal fingerprints mean equal features."""
    card: dict[str, Any]
    """What its makers say of data, folds, metrics, calibration, software and licences."""


class ServedModel(_Part):
    """A model and its versions."""

    name: str
    """Name in the model server, and in the path of its predictions."""
    versions: tuple[ModelVersion, ...]
    """Versions that have a label here, the oldest first; none while the model has not described itself."""


class Models(_Part):
    """What this gateway answers with."""

    models: tuple[ServedModel, ...]
    """Models that answer; the first is the one that `/predict` asks."""


def blueprint(predictor: Predictor) -> Blueprint:
    """The route, bound to its predictor."""
    routes = Blueprint("models", __name__)

    @routes.get("/v1/models")
    def models() -> Response:
        predictor.models.default.stable()  # without the default model this is a 503, not an empty list
        entries = tuple(describe(model.name, model.served()) for model in predictor.models)
        return jsonify(Models(models=entries).model_dump(mode="json"))

    return routes


def describe(name: str, served: Iterable[ServedVersion]) -> ServedModel:
    """A model, with one entry for each version, whatever number of labels mean it."""
    by_version: dict[int, list[ServedVersion]] = {}
    for one in served:
        by_version.setdefault(one.version, []).append(one)
    versions = tuple(_version(named) for _, named in sorted(by_version.items()))
    return ServedModel(name=name, versions=versions)


def _version(named: list[ServedVersion]) -> ModelVersion:
    description = named[0].description
    return ModelVersion(
        version=named[0].version,
        labels=tuple(one.label for one in named),
        emotions=description.emotions,
        feature_spec=description.spec,
        feature_fingerprint=description.spec.fingerprint,
        card=description.card,
    )
