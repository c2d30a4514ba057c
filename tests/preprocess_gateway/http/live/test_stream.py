"""A stream on a real gunicorn with a real model server."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pytest
import requests
import soundfile
from websockets.exceptions import InvalidStatus

from preprocess_gateway.http.live.messages import FROM_GATEWAY
from tests.preprocess_gateway.http.live.conftest import RATE, all_messages, pcm, speak, stream
from tests.support import clips
from tests.support.gateway import Gateway


def test_windows_come_while_samples_are_sent_and_the_summary_after_the_last(live: Gateway) -> None:
    with stream(live, {"sample_rate": RATE}) as ws:
        ready = json.loads(ws.recv())
        assert (ready["type"], ready["window_s"], ready["stride_s"]) == ("ready", 6.0, 3.0)
        assert ready["model"] == {"name": "speech_emotion", "version": 1, "label": "stable"}
        speak(ws, pcm(7))
        first = json.loads(ws.recv(timeout=60))
        assert (first["type"], first["start_s"], first["end_s"]) == ("window", 0.0, 6.0)
        speak(ws, pcm(3.5))
        ws.send('{"type": "finish"}')
        rest = all_messages(ws)
    assert (ws.close_code, ws.close_reason) == (1000, "")
    assert [each["type"] for each in rest] == ["now", "window", "now", "window", "now", "end"]
    summary = rest[-1]["summary"]
    assert summary["request_id"] == ready["request_id"]
    assert (summary["audio"]["duration_s"], summary["windows"]) == (10.5, 3)
    for message in (ready, first, *rest):
        FROM_GATEWAY.validate_python(message)


@pytest.mark.parametrize("cut", [1_001, 40_000, 65_536])
def test_a_stream_says_what_predict_says_of_the_same_samples(live: Gateway, cut: int) -> None:
    data = pcm(9.5)
    clip = clips.encode(np.frombuffer(data, "<i2"), RATE)
    headers = {"Content-Type": "audio/wav"}
    said = requests.post(f"{live.url}/predict?timeline=true", data=clip, headers=headers, timeout=30).json()
    with stream(live, {"sample_rate": RATE}) as ws:
        speak(ws, data, cut)
        ws.send('{"type": "finish"}')
        *messages, end = all_messages(ws)
    windows = [each for each in messages if each["type"] == "window"]
    spans = [(each["start_s"], each["end_s"]) for each in said["timeline"]]
    assert [(each["start_s"], each["end_s"]) for each in windows] == spans
    for window, other in zip(windows, said["timeline"], strict=True):
        assert window["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
    assert end["summary"]["probabilities"] == pytest.approx(said["probabilities"], abs=1e-4)


def spoken(live: Gateway, start: dict[str, object], data: bytes) -> list[dict[str, Any]]:
    with stream(live, start) as ws:
        speak(ws, data)
        ws.send('{"type": "finish"}')
        return all_messages(ws)


def test_all_encodings_and_channels_say_the_same(live: Gateway) -> None:
    samples = np.frombuffer(pcm(2.0, 8_000), "<i2").astype(np.float32) / 32_768
    mulaw = io.BytesIO()
    soundfile.write(mulaw, samples, 8_000, format="RAW", subtype="ULAW")
    stereo = (32_768 * samples).astype("<i2").repeat(2)
    answers = [
        spoken(live, {"sample_rate": 8_000, **more}, data)[1]
        for more, data in (
            ({"encoding": "pcm_f32le"}, samples.astype("<f4").tobytes()),
            ({"encoding": "pcm_s16le", "channels": 2}, stereo.tobytes()),
            ({"encoding": "mulaw"}, mulaw.getvalue()),
        )
    ]
    assert {(each["type"], each["emotion"]) for each in answers} == {("window", answers[0]["emotion"])}
    assert answers[1]["probabilities"] == pytest.approx(answers[0]["probabilities"], abs=1e-4)
    assert answers[2]["probabilities"] == pytest.approx(answers[0]["probabilities"], abs=0.05)


def test_a_client_chooses_stride_top_and_the_time_of_its_first_sample(live: Gateway) -> None:
    start = {"type": "start", "sample_rate": RATE, "stride_s": 1.0, "top": 1, "start_s": 100.5}
    ready, *messages = spoken(live, start, pcm(8))
    assert ready["stride_s"] == 1.0
    windows = [each for each in messages if each["type"] == "window"]
    assert [each["start_s"] for each in windows[:3]] == pytest.approx([100.5, 101.5, 102.5], abs=0.02)
    assert {len(each["probabilities"]) for each in windows} == {1}
    assert [each["at_s"] for each in messages if each["type"] == "now"] == [each["end_s"] for each in windows]


def test_a_stream_is_answered_among_the_emotions_that_are_asked_for(live: Gateway) -> None:
    data, names = pcm(8), ["joy", "sorrow"]
    ready, *messages, end = spoken(live, {"sample_rate": RATE, "emotions": names[::-1]}, data)
    assert ready["emotions"] == names
    whole = [each for each in spoken(live, {"sample_rate": RATE}, data) if each["type"] == "window"]
    windows = [each for each in messages if each["type"] == "window"]
    for window, other in zip(windows, whole, strict=True):
        kept = {name: other["probabilities"][name] for name in names}
        expected = {name: share / sum(kept.values()) for name, share in kept.items()}
        assert window["probabilities"] == pytest.approx(expected, rel=1e-3)
    said = [each["probabilities"] for each in messages] + [end["summary"]["probabilities"]]
    assert {tuple(each) for each in said} == {tuple(names)}
    assert [sum(each.values()) for each in said] == pytest.approx([1] * len(said))


def test_without_speech_there_is_a_reason_and_no_emotion_now(live: Gateway) -> None:
    _, *messages = spoken(live, {"sample_rate": RATE}, bytes(2 * RATE))
    assert [(each["type"], each.get("reason")) for each in messages] == [("window", "no_speech"), ("end", None)]
    assert messages[-1]["summary"]["no_speech_share"] == 1


def test_a_model_is_asked_by_its_name(live: Gateway) -> None:
    with stream(live, {"sample_rate": RATE}, "/v1/models/speech_emotion/stream") as ws:
        assert json.loads(ws.recv())["model"]["name"] == "speech_emotion"
    with pytest.raises(InvalidStatus) as refused, stream(live, path="/v1/models/nobody/stream"):
        pass
    assert refused.value.response.status_code == 404
    assert json.loads(refused.value.response.body)["code"] == "unknown_model"


def test_ids_are_the_clients_and_a_line_is_logged_at_the_end(live: Gateway) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"X-Request-ID": "live-1", "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    with stream(live, {"sample_rate": RATE}, additional_headers=headers) as ws:
        assert ws.response is not None
        assert ws.response.headers["X-Request-ID"] == "live-1"
        assert json.loads(ws.recv())["request_id"] == "live-1"
        speak(ws, pcm(1))
        ws.send('{"type": "finish"}')
        assert all_messages(ws)[-1]["summary"]["request_id"] == "live-1"
    lines = [json.loads(line) for line in live.log.splitlines() if "live-1" in line]
    assert [(line["message"], line["trace_id"]) for line in lines] == [
        ("answered", trace_id), ("stream ended", trace_id)
    ]  # fmt: skip
    assert (lines[0]["status"], lines[0]["route"]) == (101, "/v1/stream")
    assert lines[1].items() >= {"close_code": 1000, "windows": 1, "heard_s": 1.0, "route": "/v1/stream"}.items()


def test_streams_are_in_the_metrics(live: Gateway) -> None:
    with stream(live, {"sample_rate": RATE}) as ws:
        assert json.loads(ws.recv())["type"] == "ready"  # the handshake is answered before the stream is counted
        speak(ws, pcm(1))
        scrape = requests.get(f"{live.probes}/metrics", timeout=60).text
        assert "speech_emotion_streams_open 1.0" in scrape
        ws.send('{"type": "finish"}')
        all_messages(ws)
    scrape = requests.get(f"{live.probes}/metrics", timeout=60).text
    for series in (
        'speech_emotion_requests_total{route="/v1/stream",status="101"}',
        'speech_emotion_stream_closes_total{code="1000"}',
        "speech_emotion_stream_lag_seconds_count",
    ):
        assert series in scrape


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, None),
        ({"Origin": "https://app.example"}, None),
        ({"Origin": "HTTPS://APP.EXAMPLE"}, None),
        ({"Origin": "http://{host}"}, None),
        ({"Origin": "https://{host}"}, None),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://app.example.evil.example"}, 403),
        ({"Origin": "https://evil{host}"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
)
def test_pages_of_this_origin_and_of_allowed_ones_may_open_a_stream(
    live: Gateway, headers: dict[str, str], status: int | None
) -> None:
    host = live.url.removeprefix("http://")
    given = {name: value.format(host=host) for name, value in headers.items()}
    if status is None:
        with stream(live, {"sample_rate": RATE}, additional_headers=given) as ws:
            assert json.loads(ws.recv())["type"] == "ready"
        return
    with pytest.raises(InvalidStatus) as refused, stream(live, additional_headers=given):
        pass
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body)["code"] == "origin_not_allowed"


HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "", {}, 426, "upgrade_required"),
        ("HEAD", "", {}, 426, None),
        ("POST", "", {}, 405, "method_not_allowed"),
        ("GET", "?top=1", HANDSHAKE, 400, "bad_query"),
        ("GET", "", {**HANDSHAKE, "Sec-WebSocket-Version": "8"}, 426, "upgrade_required"),
        ("GET", "", {**HANDSHAKE, "Sec-WebSocket-Key": "short"}, 400, "bad_request"),
        ("GET", "", {**HANDSHAKE, "Connection": "keep-alive"}, 426, "upgrade_required"),
        ("GET", "", {**HANDSHAKE, "Upgrade": "h2c"}, 426, "upgrade_required"),
    ],
)
def test_what_is_no_handshake_is_refused_as_a_problem(
    live: Gateway, method: str, path: str, headers: dict[str, str], status: int, code: str | None
) -> None:
    response = requests.request(method, f"{live.url}/v1/stream{path}", headers=headers, timeout=60)
    assert response.status_code == status
    if code:
        assert response.json()["code"] == code
    if status == 426:
        assert response.headers["Upgrade"] == "websocket"
        assert response.headers["Sec-WebSocket-Version"] == "13"
