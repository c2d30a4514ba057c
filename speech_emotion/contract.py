"""What every exported SavedModel promises, and what a gateway may rely on.

`serving_default`: `features` float32 `[batch, frames, bins]` -> `probabilities` float32 `[batch, emotions]`.
`describe`: `rows` int32 `[batch]`, ignored -> `spec`, `labels`, `card`, each a string `[batch]` of JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from speech_emotion.errors import ContractError
from speech_emotion.features.spec import FeatureSpec

SIGNATURE_PREDICT: Final = "serving_default"
SIGNATURE_DESCRIBE: Final = "describe"
INPUT_FEATURES: Final = "features"
OUTPUT_PROBABILITIES: Final = "probabilities"
INPUT_ROWS: Final = "rows"
OUTPUT_SPEC: Final = "spec"
OUTPUT_LABELS: Final = "labels"
OUTPUT_CARD: Final = "card"
WARMUP_PATH: Final = "assets.extra/tf_serving_warmup_requests"
MAX_LABELS: Final = 1000


@dataclass(frozen=True)
class Description:
    """What a SavedModel says of itself: how to make its features, its emotions in output order, its card."""

    spec: FeatureSpec
    emotions: tuple[str, ...]
    card: dict[str, Any]

    @classmethod
    def parse(cls, spec: str | bytes, labels: str | bytes, card: str | bytes) -> Description:
        """Read the three JSON texts of `describe`.

        Raises ContractError (FeatureSpecError for `spec`) on anything that the contract does not allow.
        """
        return cls(FeatureSpec.from_json(spec), parse_emotions(labels), _parse_card(card))


def parse_emotions(text: str | bytes) -> tuple[str, ...]:
    """Emotions in the order of the model's outputs. Raises ContractError unless 2 or more distinct names."""
    labels = _loads(text, OUTPUT_LABELS)
    if not isinstance(labels, list) or not all(isinstance(label, str) and label.strip() for label in labels):
        raise ContractError("labels must be a JSON list of non-empty strings")
    if not 2 <= len(labels) <= MAX_LABELS or len(set(labels)) != len(labels):
        raise ContractError(f"labels must be 2 to {MAX_LABELS} distinct names, got {len(labels)}")
    return tuple(labels)


def _parse_card(text: str | bytes) -> dict[str, Any]:
    card = _loads(text, OUTPUT_CARD)
    if not isinstance(card, dict):
        raise ContractError("card must be a JSON object")
    return card


def _loads(text: str | bytes, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ContractError(f"{name} is not JSON: {error}") from error
