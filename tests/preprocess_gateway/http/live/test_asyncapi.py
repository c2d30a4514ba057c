"""The AsyncAPI description: well-formed by AsyncAPI's own schema, and that of the messages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from preprocess_gateway.http.live.asyncapi import build_document
from preprocess_gateway.http.live.messages import NowMessage
from preprocess_gateway.settings import Settings

SCHEMA = Path(__file__).parents[4] / "node_modules/@asyncapi/specs/schemas/3.0.0.json"
DOCUMENT = build_document(Settings())


def test_it_is_valid_by_asyncapis_schema() -> None:
    if not SCHEMA.exists():
        pytest.skip("no node_modules: run `npm ci`")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft7Validator(schema).validate(DOCUMENT)


def _resolve(reference: str) -> Any:
    found: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def test_every_reference_leads_somewhere_and_every_message_is_used() -> None:
    references = set(re.findall(r'"\$ref": "(#[^"]+)"', json.dumps(DOCUMENT)))
    assert all(_resolve(reference) for reference in references)
    used = {name for name in DOCUMENT["components"]["messages"] if f"#/components/messages/{name}" in references}
    assert used == set(DOCUMENT["components"]["messages"])
    assert {operation["action"] for operation in DOCUMENT["operations"].values()} == {"send", "receive"}


def test_every_message_and_field_has_a_text() -> None:
    messages = DOCUMENT["components"]["messages"]
    assert all(message["summary"] for message in messages.values())
    untold = [
        f"{name}.{field}"
        for name, schema in DOCUMENT["components"]["schemas"].items()
        for field, told in schema.get("properties", {}).items()
        if not told.get("description") and "$ref" not in told
    ]
    assert untold == []


def test_what_is_sent_fits_its_schema() -> None:
    now = NowMessage(at_s=4.0, emotion="joy", confidence=0.5, probabilities={"joy": 0.5}, time_constant_s=5)
    schema = {"$ref": "#/components/schemas/NowMessage", "components": DOCUMENT["components"]}
    jsonschema.validate(json.loads(now.to_json()), schema)


def test_it_has_the_models_and_the_limits_of_this_gateway() -> None:
    document = build_document(Settings(model_names=("edge", "mlp"), stream_max_open=3))
    assert document["channels"]["streamByName"]["parameters"]["name"]["enum"] == ["edge", "mlp"]
    assert "`GATEWAY_STREAM_MAX_OPEN`: 3" in document["info"]["description"]
