"""The shape of every kind of answer, from a real gateway."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import soundfile

from tests.conftest import recordings_dir
from tests.preprocess_gateway.conftest import LABELS
from tests.support import clips
from tests.support.gateway import Gateway
from training_pipeline.data.synthetic import voice

ANSWER = {"emotion", "confidence", "uncertain", "probabilities", "warnings", "model", "audio", "request_id"}
WINDOW = {"start_s", "end_s", "emotion", "confidence", "probabilities"}
RATE = clips.RATE
SPEECH = voice(3.0, 180.0, 0.04, seed=1)
SILENCE = np.zeros(8 * RATE, np.float32)


def ask(gateway: Gateway, clip: bytes, **query: object) -> dict[str, Any]:
    response = requests.post(f"{gateway.url}/predict", params=query, files={"file": clip}, timeout=30)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def long_clip() -> bytes:
    """Two different recordings one after the other where there are any, else two synthetic voices."""
    folder = recordings_dir()
    paths = sorted(Path(folder).glob("**/*.flac"))[:12:6] if folder else []
    parts = [soundfile.read(path, dtype="float32")[0] for path in paths]
    parts = parts or [SPEECH, voice(4.0, 110.0, 0.1, seed=2)]
    return clips.encode(np.concatenate(parts + parts))


CASES: dict[str, tuple[bytes, bool, list[str]]] = {
    "short": (clips.encode(SPEECH), True, []),
    "stereo": (clips.encode(np.stack([SPEECH, 0.5 * SPEECH], axis=1)), True, []),
    "silence": (clips.encode(SILENCE), False, ["very_quiet"]),
    "half silence": (clips.encode(np.concatenate([SPEECH, SILENCE])), True, []),
    "clipped": (clips.encode(np.clip(20 * SPEECH, -1, 1)), True, ["clipped"]),
    "very quiet": (clips.encode(SPEECH / 300), True, ["very_quiet"]),
    "8 kHz": (clips.encode(SPEECH[::2], rate=8_000), True, ["low_sample_rate"]),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_clip_has_its_shape_and_warnings(gateway: Gateway, name: str) -> None:
    clip, speech, warnings = CASES[name]
    answer = ask(gateway, clip)
    assert set(answer) == (ANSWER if speech else {*ANSWER, "reason"})
    assert answer["warnings"] == warnings
    assert set(answer["model"]) == {"name", "version", "label"}
    assert set(answer["audio"]) == {"duration_s", "sample_rate", "channels", "format"}
    info = soundfile.info(io.BytesIO(clip))
    assert answer["audio"]["duration_s"] == round(info.duration, 3)
    assert (answer["audio"]["sample_rate"], answer["audio"]["channels"]) == (info.samplerate, info.channels)
    if speech:
        assert_verdict(answer)
        assert answer["uncertain"] == (answer["confidence"] < 0.5)
    else:
        assert_no_speech(answer)
        assert answer["uncertain"] is False


def test_a_long_clips_timeline_covers_it_and_averages_to_its_answer(gateway: Gateway) -> None:
    answer = ask(gateway, long_clip(), timeline="true")
    timeline, duration_s = answer["timeline"], answer["audio"]["duration_s"]
    assert set(answer) == {*ANSWER, "timeline"}
    assert len(timeline) > 2  # more than one batch under the test's max_batch
    assert [set(window) for window in timeline] == [WINDOW] * len(timeline)
    assert timeline[0]["start_s"] == 0
    assert timeline[-1]["end_s"] == duration_s
    assert all(before["end_s"] >= after["start_s"] for before, after in itertools.pairwise(timeline))
    for window in timeline:
        assert_verdict(window)
    mean = {label: np.mean([window["probabilities"][label] for window in timeline]) for label in LABELS}
    assert answer["probabilities"] == pytest.approx(mean, abs=1e-5)


def test_windows_without_speech_say_so_and_do_not_vote(gateway: Gateway) -> None:
    alone = ask(gateway, clips.encode(np.concatenate([SPEECH, SILENCE[: 3 * RATE]])))
    answer = ask(gateway, clips.encode(np.concatenate([SPEECH, SILENCE])), timeline="true")
    first, *others = answer["timeline"]
    assert_verdict(first)
    assert len(others) == 2
    for window in others:
        assert set(window) == {*WINDOW, "reason"}
        assert_no_speech(window)
    assert answer["probabilities"] == first["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-2)


def test_a_short_clip_ends_with_itself_not_with_its_padding(gateway: Gateway) -> None:
    (window,) = ask(gateway, clips.encode(SPEECH), timeline="true")["timeline"]
    assert (window["start_s"], window["end_s"]) == (0, 3.0)


def test_silence_has_a_timeline_without_a_vote(gateway: Gateway) -> None:
    for window in ask(gateway, clips.encode(SILENCE), timeline="true")["timeline"]:
        assert_no_speech(window)


@pytest.mark.parametrize("top", [1, 2, 99])
def test_top_shows_the_most_probable_first(gateway: Gateway, top: int) -> None:
    whole = ask(gateway, clips.encode(SPEECH))["probabilities"]
    answer = ask(gateway, clips.encode(SPEECH), top=top, timeline="true")
    ranked = sorted(whole.items(), key=lambda item: -item[1])[:top]
    assert list(answer["probabilities"].items()) == ranked
    assert list(answer["timeline"][0]["probabilities"].items()) == ranked


@pytest.mark.parametrize("asked", ["calm,joy", "sorrow, calm ", "joy,sorrow,calm"])
def test_an_answer_is_among_the_emotions_that_are_asked_for(gateway: Gateway, asked: str) -> None:
    clip = long_clip()
    whole, answer = ask(gateway, clip, timeline="true"), ask(gateway, clip, timeline="true", emotions=asked)
    names = [label for label in LABELS if label in asked.replace(" ", "").split(",")]
    for part, other in zip(answer["timeline"], whole["timeline"], strict=True):
        if part["probabilities"]:
            kept = {name: other["probabilities"][name] for name in names}
            expected = {name: share / sum(kept.values()) for name, share in kept.items()}
            assert part["probabilities"] == pytest.approx(expected, rel=1e-4)
            assert list(part["probabilities"]) == names
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["confidence"] == answer["probabilities"][answer["emotion"]] == max(answer["probabilities"].values())
    assert len(ask(gateway, clip, emotions=asked, top=1)["probabilities"]) == 1
    assert_no_speech(ask(gateway, clips.encode(SILENCE), emotions=asked))


def test_each_channel_is_answered_among_the_emotions_that_are_asked_for(gateway: Gateway) -> None:
    answer = ask(gateway, CASES["stereo"][0], emotions="joy,calm", channels="separate")
    assert [list(channel["probabilities"]) for channel in answer["channels"]] == [["joy", "calm"]] * 2


@pytest.mark.parametrize("path", ["/predict", "/v1/models/speech_emotion/predict", "/v1/recordings"])
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("joy,bored", "does not tell 'bored' apart; it knows joy, sorrow, calm"),
        ("Joy,calm", "'Joy'"),
        ("joy", "two or more different emotions"),
        ("joy,joy", "two or more different emotions"),
        ("joy,calm,joy", "two or more different emotions"),
        ("joy, joy", "'emotions': two or more different emotions"),
        ("", "'emotions': one of the names is empty"),
        (",", "one of the names is empty"),
        ("joy,calm,", "one of the names is empty"),
        ("joy, ,calm", "one of the names is empty"),
    ],
)
def test_emotions_that_cannot_be_asked_for_are_a_bad_query(gateway: Gateway, path: str, asked: str, said: str) -> None:
    files = [("file", clips.encode(SPEECH))] * (2 if path == "/predict" else 1)
    response = requests.post(f"{gateway.url}{path}", params={"emotions": asked}, files=files, timeout=30)
    assert (response.status_code, response.json()["code"]) == (400, "bad_query")
    assert said in response.json()["detail"]


def test_models_tells_what_answers(gateway: Gateway) -> None:
    body = requests.get(f"{gateway.url}/v1/models", timeout=60).json()
    (model,) = body["models"]
    (version,) = model["versions"]
    assert (model["name"], version["version"], version["labels"]) == ("speech_emotion", 1, ["stable"])
    assert version["emotions"] == list(LABELS)
    assert set(version) == {
        "version", "labels", "emotions", "feature_spec", "feature_fingerprint", "card",
    }  # fmt: skip


def assert_verdict(part: dict[str, Any]) -> None:
    probabilities = part["probabilities"]
    assert tuple(probabilities) == LABELS
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert part["confidence"] == probabilities[part["emotion"]] == max(probabilities.values())


def assert_no_speech(part: dict[str, Any]) -> None:
    assert part["reason"] == "no_speech"
    assert part["emotion"] is part["confidence"] is part["probabilities"] is None
