"""What is said of a card, whatever its makers wrote."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.http.cards import CAVEAT, sentences, shares
from preprocess_gateway.http.page import blueprint
from preprocess_gateway.settings import Settings
from speech_emotion.contract import Description
from speech_emotion.features import SEED_SPEC


def page_of(card: dict[str, Any]) -> str:
    """`/card` of a version with this card."""
    version = ServedVersion("stable", 3, Description(SEED_SPEC, ("calm", "sad"), card))
    models: Any = SimpleNamespace(default=SimpleNamespace(name="m", stable=lambda: version))
    models.get = lambda _name: models.default
    app = Flask(__name__)
    app.register_blueprint(blueprint(Settings(), models))
    answer = app.test_client().get("/card")
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def test_a_card_without_data_and_figures_is_said_to_have_none() -> None:
    trained, right, caveat = sentences({})
    assert trained == "Its card does not say what the model was trained on."
    assert right == "Its card does not say how often the model is right about speakers that it has never heard."
    assert caveat == CAVEAT


def test_figures_of_held_out_speakers_stand_in_for_those_of_folds() -> None:
    card = {"evaluation": {"held_out": {"accuracy": 0.5}}}
    assert sentences(card)[1].startswith("It names 50% of the clips of speakers that it has never heard")
    assert "weak" not in sentences(card)[1]


@pytest.mark.parametrize(
    "card",
    [
        {},
        {"data": "RAVDESS", "evaluation": "good", "not_for": "war", "licences": ["MIT"], "pretrained": None},
        {"data": {"name": 1}, "evaluation": {"unheard_speakers": [], "held_out": {"accuracy": "high"}}},
        {"evaluation": {"held_out": {"accuracy": 1, "confusion": [[1, 0, 0]], "per_label": {}}}, "parameters": "many"},
        {"intended_use": {"a": 1}, "calibration": [], "figures_mean": 3, "not_for": [{"deep": []}], "model": None},
    ],
    ids=["empty", "words for sections", "sections of another shape", "a matrix of another size", "anything"],
)
def test_a_card_of_any_shape_is_a_page(card: dict[str, Any]) -> None:
    text = page_of(card)
    assert "Model card: m, version 3" in text
    assert "calm, sad" in text
    assert "heat-" not in text


def test_what_a_card_says_is_text_never_markup() -> None:
    text = page_of({"intended_use": "<script>alert(1)</script>", "not_for": ["<b>"], "model": "<i>"})
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "<b>" not in text
    assert "<i>" not in text


def test_counts_are_shaded_by_their_share_of_the_row() -> None:
    assert shares([[9, 1], [0, 0]]) == [[(9, 9), (1, 1)], [(0, 0), (0, 0)]]
