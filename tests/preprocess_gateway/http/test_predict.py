from __future__ import annotations

import numpy as np
import pytest
import requests

from preprocess_gateway.settings import Settings
from speech_emotion.audio import load
from speech_emotion.features import SEED_SPEC, extract
from tests.preprocess_gateway.conftest import LABELS
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.load import post_file, run_load
from tests.support.savedmodels import linear_probabilities


def test_answer_is_the_models_on_the_clips_features(gateway: Gateway) -> None:
    clip = clips.tone(2.0, rate=44_100, channels=2)
    response = gateway.predict(clip)
    assert response.status_code == 200, response.text
    answer = response.json()
    expected = linear_probabilities(extract(load(clip, 16_000), SEED_SPEC), len(LABELS), 1, SEED_SPEC.bins)[0]
    np.testing.assert_allclose(list(answer["probabilities"].values()), expected, atol=1e-5)
    assert tuple(answer["probabilities"]) == LABELS
    assert answer["emotion"] == LABELS[int(expected.argmax())]
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["model"] == {"name": "speech_emotion", "version": 1, "label": "stable"}
    assert answer["audio"] == {"duration_s": 2.0, "sample_rate": 44_100, "channels": 2, "format": "WAV"}
    assert answer["request_id"] == response.headers["X-Request-ID"]


def test_a_long_clip_is_the_mean_of_its_windows(gateway: Gateway) -> None:
    clip = clips.tone(19.0)
    features = extract(load(clip, 16_000), SEED_SPEC)
    assert len(features) > 2  # more than one batch under the test's max_batch
    expected = linear_probabilities(features, len(LABELS), 1, SEED_SPEC.bins).mean(axis=0)
    answer = gateway.predict(clip).json()
    np.testing.assert_allclose(list(answer["probabilities"].values()), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("format", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("FLAC", None),
        ("OGG", "VORBIS"),
        ("MP3", None),
        ("AIFF", None),
    ],
)
def test_libsndfiles_formats_are_answered(gateway: Gateway, format: str, subtype: str | None) -> None:
    response = gateway.predict(clips.tone(format=format, subtype=subtype))
    assert response.status_code == 200, response.text
    assert sum(response.json()["probabilities"].values()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "empty_audio"),
        (clips.encode(np.empty(0)), 400, "empty_audio"),
        (b"not audio at all, only text", 415, "unsupported_format"),
        (b"\x7fELF" + bytes(500), 415, "unsupported_format"),
        (clips.tone(format="FLAC")[:300], 422, "corrupt_audio"),
        (clips.encode(np.full(100, np.nan), subtype="FLOAT"), 422, "non_finite_audio"),
        (clips.tone(21.0), 413, "audio_too_long"),
        (clips.tone(0.1, rate=1000), 422, "sample_rate_out_of_range"),
        (clips.tone(0.1, channels=3), 422, "too_many_channels"),
        (bytes(1_100_000), 413, "body_too_large"),
    ],
)
def test_bad_input_is_a_problem_with_a_code(gateway: Gateway, data: bytes, status: int, code: str) -> None:
    assert_problem(gateway.predict(data), status, code)


def test_other_requests_are_problems_too(gateway: Gateway) -> None:
    url = f"{gateway.url}/predict"
    assert_problem(requests.post(url, files={"other": b"x"}, timeout=60), 400, "missing_file")
    assert_problem(requests.post(url, data={"file": "text"}, timeout=60), 415, "unsupported_media_type")
    assert_problem(requests.post(url, data=b"raw", timeout=60), 415, "unsupported_media_type")
    assert_problem(requests.get(f"{gateway.url}/nowhere", timeout=60), 404, "not_found")
    got = requests.get(url, timeout=60)
    assert_problem(got, 405, "method_not_allowed")
    assert "POST" in got.headers["Allow"]


def test_as_many_clients_as_a_worker_holds_are_all_answered(gateway: Gateway) -> None:
    held = Settings.model_fields["concurrency"].default + Settings.model_fields["queue"].default
    report = run_load(post_file(f"{gateway.url}/predict", clips.tone()), clients=held, requests_total=100, seconds=60)
    assert len(report.records) == 100
    assert report.failed == []


def assert_problem(response: requests.Response, status: int, code: str) -> None:
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["request_id"] == response.headers["X-Request-ID"]
    assert "Traceback" not in response.text
