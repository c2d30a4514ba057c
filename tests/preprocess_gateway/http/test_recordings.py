"""`/v1/recordings`: lines as the recording is heard, each form of the answer, and what goes wrong on the way."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import Any

import numpy as np
import pytest
import requests

from tests.support import clips
from tests.support.gateway import Gateway

RATE = clips.RATE
LONG = clips.tone(45.0)  # /predict of this gateway takes 20 s
SHORT = clips.tone(17.3)


def post(gateway: Gateway, data: bytes, accept: str | None = None, **query: object) -> requests.Response:
    headers = {"Content-Type": "application/octet-stream"} | ({"Accept": accept} if accept else {})
    return requests.post(f"{gateway.url}/v1/recordings", data=data, headers=headers, params=query, timeout=60)


def lines(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def of_type(found: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "type"} for line in found if line["type"] == kind]


def two_sided(seconds: float = 16.0) -> bytes:
    """Somebody speaks in one channel, nobody in the other."""
    wave = clips.speech_like(seconds)
    return clips.encode(np.stack([wave, 0 * wave], axis=1))


def broken_at(seconds: float) -> bytes:
    """A recording whose samples are no numbers from there on."""
    wave = clips.speech_like(seconds + 10)
    wave[int(seconds * RATE) :] = np.nan
    return clips.encode(wave, subtype="FLOAT")


def test_a_recording_is_answered_line_by_line_and_summed_up(gateway: Gateway) -> None:
    response = post(gateway, LONG)
    found = lines(response)
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert {line["type"] for line in found} == {"progress", "window", "summary"}
    assert found[0] == {"type": "progress", "heard_s": pytest.approx(1, abs=1.5), "duration_s": 45.0}
    summary, windows = found[-1], of_type(found, "window")
    assert summary["type"] == "summary"
    assert (windows[0]["start_s"], windows[-1]["end_s"]) == (0, 45)
    assert summary["windows"] == len(windows)
    assert summary["request_id"] == response.headers["X-Request-ID"]
    assert summary["audio"]["duration_s"] == 45
    assert (summary["segments"][0]["start_s"], summary["segments"][-1]["end_s"]) == (0, 45)
    assert sum(summary["time_share"].values()) + summary["no_speech_share"] == pytest.approx(1)


@pytest.mark.parametrize("data", [
    SHORT, clips.tone(3.0), clips.tone(0.4), clips.silence(9.0), clips.tone(9.4, 22_050, channels=2),
    clips.tone(14.2, 8_000, format="FLAC"), clips.contained("ipod", "aac", 15.0, channels=2),
], ids=["many windows", "less than one", "very short", "silence", "22 kHz stereo", "8 kHz FLAC", "AAC"])  # fmt: skip
def test_a_short_clip_has_the_windows_of_predict(gateway: Gateway, data: bytes) -> None:
    found = lines(post(gateway, data))
    response = requests.post(f"{gateway.url}/predict?timeline=true", files={"file": ("a", data)}, timeout=60)
    expected = response.json()
    windows = of_type(found, "window")
    assert [without(window, "uncertain") for window in windows] == [close(each) for each in expected["timeline"]]
    summary = found[-1]
    for name in ("emotion", "uncertain", "warnings", "model", "audio"):
        assert summary[name] == expected[name]
    assert summary["probabilities"] == (
        expected["probabilities"] and pytest.approx(expected["probabilities"], abs=1e-5)
    )


def without(window: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in window.items() if key != name}


def close(window: dict[str, Any]) -> dict[str, Any]:
    approx = {name: window[name] and pytest.approx(window[name], abs=1e-5) for name in ("confidence", "probabilities")}
    return {**window, **approx}


def test_separate_channels_are_told_apart_in_every_line(gateway: Gateway) -> None:
    found = lines(post(gateway, two_sided(), channels="separate", top=1))
    windows = of_type(found, "window")
    assert [window["channel"] for window in windows] == [1, 2] * (len(windows) // 2)
    assert {window["channel"]: window["emotion"] is None for window in windows} == {1: False, 2: True}
    assert all(len(window["probabilities"]) == 1 for window in windows if window["channel"] == 1)
    summary = found[-1]
    assert (summary["emotion"], summary["reason"]) == (None, "separate_channels")
    assert [channel.get("reason", "spoken") for channel in summary["channels"]] == [
        "spoken",
        "no_speech",
    ]
    captions = post(gateway, two_sided(), "text/vtt", channels="separate").text
    assert "<v Channel 1>" in captions
    assert "<v Channel 2>" not in captions


def test_json_waits_and_answers_once(gateway: Gateway) -> None:
    response = post(gateway, LONG, "application/json")
    found = lines(post(gateway, LONG))
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    assert list(answer.pop("timeline")) == of_type(found, "window")
    assert {**answer, "request_id": ""} == {**of_type(found, "summary")[0], "request_id": ""}


def test_csv_has_a_row_for_each_window(gateway: Gateway) -> None:
    response = post(gateway, LONG, "text/csv")
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    windows = of_type(lines(post(gateway, LONG)), "window")
    assert response.headers["Content-Type"].startswith("text/csv")
    assert [(float(row["start_s"]), row["emotion"]) for row in rows] == [(w["start_s"], w["emotion"]) for w in windows]
    assert json.loads(rows[0]["probabilities"]) == windows[0]["probabilities"]
    assert {row["error_code"] for row in rows} == {""}


def test_vtt_has_a_caption_for_each_segment(gateway: Gateway) -> None:
    response = post(gateway, LONG, "text/vtt")
    segments = of_type(lines(post(gateway, LONG)), "summary")[0]["segments"]
    assert response.headers["Content-Type"].startswith("text/vtt")
    assert response.text.startswith("WEBVTT\n\n")
    cues = [block.split("\n") for block in response.text.strip().split("\n\n") if "-->" in block]
    assert len(cues) == len(segments)
    assert cues[0][0].startswith("00:00:00.000 --> ")
    assert cues[0][1] == f"{segments[0]['emotion']} {segments[0]['confidence']:.0%}"


@pytest.mark.parametrize(("accept", "content_type"), [
    ("*/*", "application/x-ndjson"), ("text/*", "text/csv"), ("application/json;q=0.5, text/vtt", "text/vtt"),
    ("application/json; charset=utf-8", "application/json"),
    ("text/vtt;charset=UTF-8;q=0.5, text/csv;q=0.2", "text/vtt"),
    ("image/png", "application/problem+json"), ("application/xml;q=0.9", "application/problem+json"),
])  # fmt: skip
def test_accept_decides_the_form_of_the_answer(gateway: Gateway, accept: str, content_type: str) -> None:
    response = post(gateway, clips.tone(1.0), accept)
    assert response.headers["Content-Type"].startswith(content_type)
    if content_type.startswith("application/problem"):
        assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


def test_a_recording_is_answered_among_the_emotions_that_are_asked_for(gateway: Gateway) -> None:
    *found, summary = lines(post(gateway, SHORT, emotions="calm,joy"))
    whole = of_type(lines(post(gateway, SHORT)), "window")
    for window, other in zip(of_type(found, "window"), whole, strict=True):
        kept = {name: other["probabilities"][name] for name in ("joy", "calm")}
        expected = {name: share / sum(kept.values()) for name, share in kept.items()}
        assert window["probabilities"] == pytest.approx(expected, rel=1e-4)
    assert list(summary["probabilities"]) == list(summary["time_share"]) == ["joy", "calm"]
    assert sum(summary["probabilities"].values()) == pytest.approx(1)


@pytest.mark.parametrize("accept", ["application/x-ndjson", "application/json", "text/csv", "text/vtt"])
@pytest.mark.parametrize(("data", "status", "code"), [
    (b"", 400, "empty_audio"), (b"no audio at all, whatever it is", 415, "unsupported_format"),
    (clips.tone(121.0, 8_000), 413, "audio_too_long"), (clips.tone(1.0, channels=3), 422, "too_many_channels"),
    (clips.tone(121.0, 8_000, format="FLAC"), 413, "audio_too_long"),
], ids=["empty", "no audio", "too long", "channels", "too long as FLAC"])  # fmt: skip
def test_what_fails_before_the_first_line_has_its_status(
    gateway: Gateway, accept: str, data: bytes, status: int, code: str
) -> None:
    response = post(gateway, data, accept)
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.headers["Content-Type"] == "application/problem+json"


def test_the_query_and_the_form_are_read_strictly(gateway: Gateway) -> None:
    response = post(gateway, LONG, timeline="true")
    assert (response.status_code, response.json()["code"]) == (400, "bad_query")
    assert "there are top, emotions, track, channels" in response.json()["detail"]
    files = [("file", ("a.wav", SHORT)), ("file", ("b.wav", SHORT))]
    response = requests.post(f"{gateway.url}/v1/recordings", files=files, timeout=60)
    assert (response.status_code, response.json()["code"]) == (413, "form_too_large")
    response = requests.post(f"{gateway.url}/v1/models/absent/recordings", files=files[:1], timeout=60)
    assert (response.status_code, response.json()["code"]) == (404, "unknown_model")
    response = requests.post(f"{gateway.url}/v1/models/speech_emotion/recordings", files=files[:1], timeout=60)
    assert lines(response)[-1]["type"] == "summary"


def test_what_was_heard_before_an_error_stays_valid_in_every_form(gateway: Gateway) -> None:
    data = broken_at(30.0)
    found = lines(post(gateway, data))
    windows, last = of_type(found, "window"), found[-1]
    assert len(windows) > 3
    assert (last["type"], last["code"], last["status"]) == ("problem", "non_finite_audio", 422)
    response = post(gateway, data, "application/json")
    assert (response.status_code, response.json()["code"]) == (422, "non_finite_audio")
    assert response.json()["timeline"] == windows
    *rows, row = csv.DictReader(io.StringIO(post(gateway, data, "text/csv").text, newline=""))
    assert (len(rows), row["error_code"], row["emotion"]) == (len(windows), "non_finite_audio", "")
    *_, cue, note = post(gateway, data, "text/vtt").text.strip().split("\n\n")
    assert note.startswith("NOTE problem non_finite_audio: ")
    spoken = max(window["end_s"] for window in windows if window["emotion"])
    assert cue.startswith("00:")
    assert f" --> 00:00:{spoken:06.3f}" in cue  # the segment that was still open


def test_figures_say_how_recordings_ended(gateway: Gateway) -> None:
    def figures() -> dict[str, float]:
        """Once no recording is in progress: its last line is sent before it is counted."""
        deadline = time.monotonic() + 60
        while True:
            text = requests.get(f"{gateway.probes}/metrics", timeout=30).text
            rows = (line.rpartition(" ") for line in text.splitlines() if line[0] != "#")
            found = {name: float(value) for name, _, value in rows}
            if not found.get("speech_emotion_recordings_in_progress"):
                return found
            assert time.monotonic() < deadline
            time.sleep(0.05)

    before = figures()
    post(gateway, LONG)
    post(gateway, b"no audio")
    post(gateway, broken_at(30.0))
    after = figures()
    changed = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
    for outcome in ("answered", "unsupported_format", "non_finite_audio"):
        assert changed[f'speech_emotion_recordings_total{{outcome="{outcome}"}}'] == 1
    assert changed["speech_emotion_recording_audio_seconds_total"] >= 45
    assert changed["speech_emotion_recording_windows_total"] > 10
