"""Settings as a process reads them: from its environment, with bounds, and no contradictions."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from preprocess_gateway.settings import Settings


@pytest.mark.parametrize(
    ("environment", "models"),
    [
        ({}, ("speech_emotion",)),
        ({"GATEWAY_MODEL_NAME": "edge"}, ("edge",)),
        ({"GATEWAY_MODEL_NAMES": "speech_emotion,edge"}, ("speech_emotion", "edge")),
        ({"GATEWAY_MODEL_NAMES": " edge , "}, ("edge",)),
        ({"GATEWAY_MODEL_NAMES": ""}, ("speech_emotion",)),
        ({"GATEWAY_MODEL_NAME": "edge", "GATEWAY_MODEL_NAMES": "edge,other"}, ("edge", "other")),
    ],
)
def test_models_are_named_by_one_variable_or_the_other(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], models: tuple[str, ...]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings().models == models


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"GATEWAY_MODEL_NAMES": "edge,edge"}, "more than once"),
        ({"GATEWAY_MODEL_NAMES": "a/b"}, "model_names"),
        ({"GATEWAY_MODEL_NAMES": "../up"}, "model_names"),
        ({"GATEWAY_MODEL_NAME": "one", "GATEWAY_MODEL_NAMES": "two"}, "set one of them"),
    ],
)
def test_names_that_contradict_each_other_or_are_no_folder_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=said):
        Settings()
