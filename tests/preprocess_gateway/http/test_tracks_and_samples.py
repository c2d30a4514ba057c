"""`?track=N`, samples without a header by their content type, and the warning of damage, from a real gateway."""

from __future__ import annotations

import pytest
import requests

from tests.preprocess_gateway.http.test_predict import assert_problem
from tests.support import clips, sent
from tests.support.gateway import Gateway

SECONDS = 1.0
TWO_TRACKS = clips.multiplexed("matroska", [("flac", sent.tone(SECONDS)), ("flac", sent.tone(2 * SECONDS))])
SAMPLES = clips.tone(SECONDS, 8_000)[44:]


def post(gateway: Gateway, data: bytes, content_type: str, query: str = "") -> requests.Response:
    headers = {"Content-Type": content_type}
    return requests.post(f"{gateway.url}/predict{query}", data=data, headers=headers, timeout=30)


@pytest.mark.parametrize(("query", "seconds"), [("", 1.0), ("?track=1", 1.0), ("?track=2", 2.0)])
def test_a_track_is_heard_by_its_number(gateway: Gateway, query: str, seconds: float) -> None:
    raw = post(gateway, TWO_TRACKS, "video/webm", query)
    form = requests.post(f"{gateway.url}/predict{query}", files={"file": TWO_TRACKS}, timeout=30)
    for response in (raw, form):
        assert response.json()["audio"]["duration_s"] == pytest.approx(seconds, abs=0.01), response.text


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?track=3", 422, "no_such_track"),
        ("?track=0", 400, "bad_query"),
        ("?track=17", 400, "bad_query"),
        ("?track=first", 400, "bad_query"),
        ("?track=1&track=2", 400, "bad_query"),
    ],
)
def test_a_track_that_is_not_there_is_a_problem(gateway: Gateway, query: str, status: int, code: str) -> None:
    assert_problem(post(gateway, TWO_TRACKS, "audio/webm", query), status, code)


def test_a_plain_wav_has_one_track(gateway: Gateway) -> None:
    assert post(gateway, clips.tone(), "audio/wav", "?track=1").status_code == 200
    assert_problem(post(gateway, clips.tone(), "audio/wav", "?track=2"), 422, "no_such_track")


@pytest.mark.parametrize(
    ("content_type", "rate", "seconds"),
    [
        ("audio/PCMU;rate=8000", 8_000, 2.0),
        ("audio/pcma; rate=16000", 16_000, 1.0),
        ("audio/L16;rate=8000", 8_000, 1.0),
        ('audio/L16;rate="8000";channels=2', 8_000, 0.5),
        ("audio/L8;rate=8000", 8_000, 2.0),
    ],
)
def test_samples_without_a_header(gateway: Gateway, content_type: str, rate: int, seconds: float) -> None:
    response = post(gateway, SAMPLES, content_type)
    assert response.status_code == 200, response.text
    assert (response.json()["audio"]["sample_rate"], response.json()["audio"]["duration_s"]) == (rate, seconds)


@pytest.mark.parametrize("content_type", ["audio/PCMU", "audio/L16;rate=", "audio/L16;rate=8000;channels=0"])
def test_samples_without_a_header_need_their_rate(gateway: Gateway, content_type: str) -> None:
    response = post(gateway, SAMPLES, content_type)
    assert_problem(response, 415, "unsupported_format")
    assert "rate=8000" in response.json()["detail"]


def test_the_same_samples_without_a_type_are_no_audio(gateway: Gateway) -> None:
    assert_problem(post(gateway, SAMPLES, "application/octet-stream"), 415, "unsupported_format")


def test_an_answer_for_what_is_left_of_a_damaged_clip_says_so(gateway: Gateway) -> None:
    clip = clips.tone(3.0, format="FLAC")
    middle = len(clip) // 2
    damaged = post(gateway, clip[:middle] + bytes(300) + clip[middle + 300 :], "audio/flac").json()
    assert damaged["warnings"] == ["damaged"]
    assert damaged["emotion"] is not None
    assert post(gateway, clip, "audio/flac").json()["warnings"] == []
