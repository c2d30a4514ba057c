"""What becomes of a clip's channels, from a real gateway: mixed, or each answered for itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import requests

from tests.support import clips
from tests.support.gateway import Gateway
from training_pipeline.data.synthetic import voice

Array = npt.NDArray[np.floating[Any]]
NOTHING = {"emotion": None, "confidence": None, "probabilities": None, "uncertain": False}
AGENT, CUSTOMER = voice(7.0, 180.0, 0.04, seed=1), voice(7.0, 110.0, 0.1, seed=2) / 30
SILENT = np.zeros_like(AGENT)


def ask(gateway: Gateway, *channels: Array, **query: object) -> requests.Response:
    data = clips.encode(np.stack(channels, axis=1), subtype="FLOAT")
    return requests.post(f"{gateway.url}/predict", params=query, files={"file": data}, timeout=30)


def separate(gateway: Gateway, *channels: Array, **query: object) -> dict[str, Any]:
    response = ask(gateway, *channels, channels="separate", **query)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


def test_each_side_of_a_call_has_the_answer_that_it_has_alone(gateway: Gateway) -> None:
    answer = separate(gateway, AGENT, CUSTOMER, timeline="true", top=2)
    assert [channel.pop("channel") for channel in answer["channels"]] == [1, 2]
    for channel, alone in zip(answer["channels"], (AGENT, CUSTOMER), strict=True):
        whole = ask(gateway, alone, timeline="true", top=2).json()
        assert len(channel["timeline"]) > 1
        shown = ("emotion", "uncertain", "warnings")
        assert {name: channel[name] for name in shown} == {name: whole[name] for name in shown}
        assert channel["probabilities"] == pytest.approx(whole["probabilities"], abs=1e-6)
        for window, expected in zip(channel["timeline"], whole["timeline"], strict=True):
            assert window["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-6)


def test_of_separate_channels_nothing_is_said_of_the_clip(gateway: Gateway) -> None:
    answer = separate(gateway, AGENT, SILENT, timeline="true")
    assert {name: answer[name] for name in NOTHING} == NOTHING
    assert answer["reason"] == "separate_channels"
    assert "timeline" not in answer
    assert answer["warnings"] == ["very_quiet"]
    assert answer["audio"]["channels"] == 2
    agent, silent = answer["channels"]
    assert "reason" not in agent
    assert agent["warnings"] == []
    assert (silent["reason"], silent["warnings"]) == ("no_speech", ["very_quiet"])
    assert {name: silent[name] for name in NOTHING} == NOTHING


def test_a_clip_of_one_channel_is_a_list_of_one(gateway: Gateway) -> None:
    answer = separate(gateway, AGENT)
    (channel,) = answer["channels"]
    assert answer["reason"] == "separate_channels"
    assert channel["emotion"] == ask(gateway, AGENT).json()["emotion"]


def test_channels_are_mixed_unless_asked_for(gateway: Gateway) -> None:
    mixed = ask(gateway, AGENT, CUSTOMER).json()
    assert "channels" not in mixed
    assert mixed["probabilities"] == ask(gateway, AGENT, CUSTOMER, channels="mix").json()["probabilities"]
    assert mixed["probabilities"] == pytest.approx(ask(gateway, (AGENT + CUSTOMER) / 2).json()["probabilities"])


@pytest.mark.parametrize("query", [{"channels": "left"}, {"channels": ""}, {"channels": ["mix", "separate"]}])
def test_other_words_for_channels_are_refused(gateway: Gateway, query: dict[str, Any]) -> None:
    response = ask(gateway, AGENT, **query)
    assert (response.status_code, response.json()["code"]) == (400, "bad_query")


def test_separate_channels_are_as_many_as_any_clip_may_have(gateway: Gateway) -> None:
    response = ask(gateway, AGENT[:1000], AGENT[:1000], AGENT[:1000], channels="separate")
    assert (response.status_code, response.json()["code"]) == (422, "too_many_channels")


def test_each_channel_is_counted(gateway: Gateway) -> None:
    before = counted(gateway)
    separate(gateway, AGENT, CUSTOMER)
    separate(gateway, AGENT, SILENT)
    assert [after - was for after, was in zip(counted(gateway), before, strict=True)] == [3, 1]


def test_a_channel_upside_down_changes_no_answer(gateway: Gateway) -> None:
    alone = ask(gateway, AGENT).json()
    cancelling = ask(gateway, AGENT, -AGENT).json()
    assert cancelling["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-6)


def test_a_knock_before_quiet_speech_does_not_silence_it(gateway: Gateway) -> None:
    knock = np.random.default_rng(0).normal(size=8_000) * np.exp(-np.arange(8_000) / 700) / 4
    answer = ask(gateway, np.concatenate([knock, AGENT[:48_000] / 50])).json()
    assert answer["emotion"] is not None


def counted(gateway: Gateway) -> list[float]:
    """Emotions and clips without speech so far."""
    lines = requests.get(f"{gateway.probes}/metrics", timeout=60).text.splitlines()
    names = ("speech_emotion_predictions_total", "speech_emotion_no_speech_total")
    return [sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name)) for name in names]
