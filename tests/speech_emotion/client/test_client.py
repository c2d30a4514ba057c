"""Against the real service; faults are injected by httpx's own mock transport."""

from __future__ import annotations

import io
import socket
import time
from dataclasses import replace
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest

from speech_emotion.client import (
    Answer,
    AsyncClient,
    Client,
    ClipTooLargeError,
    ProblemError,
    ProtocolError,
    TimeoutExceededError,
    UnreachableError,
)
from tests.support import clips, sent
from tests.support.gateway import Gateway
from tests.support.ports import free_port
from training_pipeline.data.synthetic import RATE, voice

ANSWER = {
    "emotion": "calm",
    "confidence": 0.75,
    "probabilities": {"calm": 0.75, "angry": 0.25},
    "uncertain": False,
    "warnings": ["very_quiet"],
    "timeline": [
        {"start_s": 0, "end_s": 1, "emotion": None, "confidence": None, "probabilities": None, "reason": "no_speech"}
    ],
    "model": {"name": "speech_emotion", "version": 3, "label": "stable"},
    "audio": {"duration_s": 1.0, "sample_rate": 16_000, "channels": 1, "format": "WAV"},
    "request_id": "abc",
    "of_a_later_version": True,
}
BUSY = httpx.Response(
    503,
    json={"code": "overloaded", "detail": "busy", "request_id": "r1"},
    headers={"Content-Type": "application/problem+json", "Retry-After": "1"},
)


def scripted(*script: httpx.Response | Exception) -> tuple[httpx.MockTransport, list[tuple[float, httpx.Request]]]:
    """A transport that answers as scripted, and when it was asked what."""
    left, seen = list(script), list[tuple[float, httpx.Request]]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((time.monotonic(), request))
        step = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status_code, content=step.content, headers=step.headers)

    return httpx.MockTransport(answer), seen


def test_paths_bytes_files_and_samples_are_answered_alike(service: Gateway, tmp_path: Path) -> None:
    samples = voice(2.0, 200.0, 0.1, seed=3)
    data = clips.encode(samples, RATE, subtype="FLOAT")
    (path := tmp_path / "clip.wav").write_bytes(data)
    with Client(service.url) as client:
        answers = [
            client.predict(path),
            client.predict(str(path)),
            client.predict(data),
            client.predict(io.BytesIO(data)),
            client.predict(samples, sample_rate=RATE),
        ]
    assert {answer.probabilities == answers[0].probabilities for answer in answers} == {True}
    assert answers[0].model.label == "stable"
    assert answers[0].audio.duration_s == pytest.approx(2.0)
    assert len({answer.request_id for answer in answers}) == 5


def test_several_clips_in_one_request_are_answered_in_their_order(service: Gateway, tmp_path: Path) -> None:
    data = clips.encode(voice(1.0, 200.0, 0.1, seed=3), RATE)
    (path := tmp_path / "clip.wav").write_bytes(data)
    with Client(service.url) as client:
        first, refused, second = client.predict_many([data, b"no audio at all", path], top=1)
        [alone] = client.predict_many([path], top=1)
        assert isinstance(first, Answer)
        assert isinstance(refused, ProblemError)
        assert first.probabilities == client.predict(data, top=1).probabilities
        assert [replace(each, request_id="") for each in (second, alone)] == [replace(first, request_id="")] * 2
        assert (refused.status, refused.code, refused.request_id) == (415, "unsupported_format", first.request_id)
        with pytest.raises(ProblemError) as too_many:
            client.predict_many([data] * 9)
        assert too_many.value.code == "form_too_large"
        with pytest.raises(ValueError, match="no clip"):
            client.predict_many([])


async def ask_for_two(url: str, data: bytes) -> list[Answer | ProblemError]:
    async with AsyncClient(url) as client:
        return await client.predict_many([data, b"no audio at all"])


def test_the_asynchronous_client_asks_for_several_clips_too(service: Gateway) -> None:
    answer, problem = anyio.run(ask_for_two, service.url, clips.tone())
    assert isinstance(answer, Answer)
    assert isinstance(problem, ProblemError)


async def ask_twice(url: str, data: bytes) -> list[object]:
    async with AsyncClient(url) as client:
        return [await client.predict(data), await client.predict(np.zeros((800, 2), np.int16), sample_rate=8_000)]


def test_the_asynchronous_client_gives_the_same_answer(service: Gateway) -> None:
    data = clips.encode(voice(1.0, 150.0, 0.1, seed=4))
    first, second = anyio.run(ask_twice, service.url, data)
    with Client(service.url) as client:
        assert first.probabilities == client.predict(data).probabilities  # type: ignore[attr-defined]
    assert (second.audio.channels, second.audio.sample_rate) == (2, 8_000)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("model", "path"),
    [(None, "/predict"), ("edge", "/v1/models/edge/predict"), ("../a b", "/v1/models/..%2Fa%20b/predict")],
)
def test_a_model_is_asked_by_its_name(model: str | None, path: str) -> None:
    transport, seen = scripted(httpx.Response(200, json=ANSWER))
    with Client("http://service", transport=transport) as client:
        client.predict(b"123", model=model)
    assert [request.url.raw_path.decode() for _, request in seen] == [path]


def test_a_name_that_the_service_does_not_know_is_its_problem(service: Gateway) -> None:
    with Client(service.url) as client:
        name = client.models()[0].model
        assert client.predict(clips.tone(), model=name).model.name == name
        with pytest.raises(ProblemError, match=name) as refused:
            client.predict(clips.tone(), model="absent")
    assert (refused.value.status, refused.value.code) == (404, "unknown_model")


def test_a_clip_that_is_too_large_is_never_sent() -> None:
    transport, seen = scripted(httpx.Response(200, json=ANSWER))
    with Client("http://service", transport=transport, max_bytes=3) as client:
        assert client.predict(b"123").emotion == "calm"
        with pytest.raises(ClipTooLargeError) as refused:
            client.predict("/proc/self/exe")
    assert refused.value.code == "body_too_large"
    with pytest.raises(ClipTooLargeError):
        anyio.run(send_too_much)
    assert len(seen) == 1


async def send_too_much() -> None:
    async with AsyncClient("http://service", max_bytes=3) as client:
        await client.predict(b"1234")


def test_a_refusal_is_a_typed_error(service: Gateway) -> None:
    with Client(service.url) as client, pytest.raises(ProblemError) as refused:
        client.predict(b"not audio at all, only text")
    error = refused.value
    assert (error.status, error.code) == (415, "unsupported_format")
    assert error.detail == str(error)
    assert error.request_id
    assert error.retry_after_s is None


@pytest.mark.parametrize("asked", ["sad,calm", ["sad", "calm"], ("sad", "calm")])
def test_emotions_are_a_list_or_a_text(asked: str | list[str]) -> None:
    transport, seen = scripted(httpx.Response(200, json=ANSWER))
    with Client("http://service", transport=transport) as client:
        client.predict(b"x", emotions=asked)
    assert str(seen[0][1].url) == "http://service/predict?emotions=sad%2Ccalm"


def test_an_answer_is_read_whole_and_unknown_fields_are_ignored() -> None:
    transport, seen = scripted(httpx.Response(200, json=ANSWER))
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Client("http://service/base/", transport=transport, affinity_key="me") as client:
        answer = client.predict(b"x", top=2, emotions=["sad", "calm"], timeline=True, traceparent=trace)
    request = seen[0][1]
    assert str(request.url) == "http://service/base/predict?top=2&emotions=sad%2Ccalm&timeline=true"
    assert (request.headers["X-Affinity-Key"], request.headers["traceparent"]) == ("me", trace)
    assert (answer.emotion, answer.warnings) == ("calm", ("very_quiet",))
    assert (answer.timeline[0].emotion, answer.timeline[0].reason) == (None, "no_speech")
    assert answer.model.version == 3


@pytest.mark.parametrize("key", ["M\u00fcller", "a\r\nb", "\x00"])
def test_what_no_header_can_hold_is_refused_before_anything_is_sent(key: str) -> None:
    transport, seen = scripted(httpx.Response(200, json=ANSWER))
    with Client("http://service", transport=transport, affinity_key=key) as client:
        with pytest.raises(ValueError, match="X-Affinity-Key must be printable ASCII"):
            client.predict(b"x")
        with pytest.raises(ValueError, match="X-Affinity-Key must be printable ASCII"):
            client.stream(sample_rate=RATE)
    assert seen == []


def test_separate_channels_are_asked_for_and_read() -> None:
    said = {"confidence": 0.75, "probabilities": {"calm": 0.75}, "uncertain": False, "warnings": []}
    silent = {"confidence": None, "probabilities": None, "uncertain": False, "warnings": ["very_quiet"]}
    channels = [
        {"channel": 1, "emotion": "calm", **said, "timeline": [{"start_s": 0, "end_s": 1, "emotion": "calm", **said}]},
        {"channel": 2, "emotion": None, **silent, "reason": "no_speech", "of_a_later_version": True},
    ]
    body = {**ANSWER, **silent, "emotion": None, "reason": "separate_channels", "channels": channels}
    transport, seen = scripted(httpx.Response(200, json=body))
    with Client(transport=transport) as client:
        answer = client.predict(b"clip", channels="separate")
    assert seen[0][1].url.params["channels"] == "separate"
    first, second = answer.channels
    assert (first.channel, first.emotion, first.reason, first.timeline[0].emotion) == (1, "calm", None, "calm")
    assert (second.channel, second.emotion, second.reason, second.warnings) == (2, None, "no_speech", ("very_quiet",))
    assert answer.to_dict()["channels"][1]["reason"] == "no_speech"


def test_channels_are_mixed_unless_asked_for() -> None:
    transport, seen = scripted(httpx.Response(200, json=ANSWER))
    with Client(transport=transport) as client:
        answer = client.predict(b"clip")
    assert "channels" not in seen[0][1].url.params
    assert answer.channels == ()
    assert "channels" not in answer.to_dict()


@pytest.fixture(scope="module")
def film() -> bytes:
    """A file of two tracks, of one second and of two."""
    return clips.multiplexed("matroska", [("flac", sent.tone(1.0)), ("flac", sent.tone(2.0))])


@pytest.mark.parametrize(("track", "seconds"), [(None, 1.0), (1, 1.0), (2, 2.0)])
def test_a_track_is_asked_for_by_its_number(service: Gateway, film: bytes, track: int | None, seconds: float) -> None:
    with Client(service.url) as client:
        answers = [client.predict(film, track=track), *client.predict_many([film, film], track=track)]
    answers += anyio.run(ask_for_a_track, service.url, film, track)
    assert [answer.audio.duration_s for answer in answers if isinstance(answer, Answer)] == [
        pytest.approx(seconds, abs=0.01)
    ] * 5


async def ask_for_a_track(url: str, data: bytes, track: int | None) -> list[Answer | ProblemError]:
    async with AsyncClient(url) as client:
        return [await client.predict(data, track=track), *await client.predict_many([data], track=track)]


def test_a_track_that_a_clip_lacks_is_the_problem_of_that_clip(service: Gateway, film: bytes) -> None:
    with Client(service.url) as client:
        with pytest.raises(ProblemError) as lacking:
            client.predict(clips.tone(), track=2)
        answer, problem = client.predict_many([film, clips.tone()], track=2)
        with pytest.raises(ProblemError) as impossible:
            client.predict(film, track=0)
    assert isinstance(answer, Answer)
    assert isinstance(problem, ProblemError)
    assert [(each.status, each.code) for each in (lacking.value, problem)] == [(422, "no_such_track")] * 2
    assert (impossible.value.status, impossible.value.code) == (400, "bad_query")


def test_a_503_is_retried_when_its_retry_after_says() -> None:
    transport, seen = scripted(BUSY, httpx.Response(200, json=ANSWER))
    with Client("http://service", transport=transport) as client:
        assert client.predict(b"x").emotion == "calm"
    assert len(seen) == 2
    assert seen[1][0] - seen[0][0] >= 1.0


def test_retries_end_with_the_deadline_and_with_their_number() -> None:
    transport, seen = scripted(BUSY)
    with Client("http://service", transport=transport, deadline_s=0.5) as client, pytest.raises(ProblemError) as error:
        client.predict(b"x")
    assert (error.value.code, error.value.retry_after_s, len(seen)) == ("overloaded", 1.0, 1)
    transport, seen = scripted(httpx.ConnectError("refused"))
    with Client("http://service", transport=transport, retries=2) as client, pytest.raises(UnreachableError):
        client.predict(b"x")
    assert len(seen) == 3


@pytest.mark.parametrize("status", [400, 413, 415, 422, 500, 504])
def test_no_other_status_is_retried(status: int) -> None:
    transport, seen = scripted(httpx.Response(status, json={"code": "it", "detail": "no"}))
    with Client("http://service", transport=transport) as client, pytest.raises(ProblemError):
        client.predict(b"x")
    assert len(seen) == 1


def test_another_service_is_told_apart() -> None:
    for body in (httpx.Response(200, text="<html>"), httpx.Response(200, json={"hello": 1}), httpx.Response(404)):
        transport, _ = scripted(body)
        with Client("http://service", transport=transport) as client, pytest.raises(ProtocolError):
            client.predict(b"x")


def test_a_silent_service_ends_with_the_deadline_and_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with Client(url, deadline_s=0.3) as client, pytest.raises(TimeoutExceededError):
            client.predict(b"x")
        with pytest.raises(TimeoutExceededError):
            anyio.run(give_up, url)
    with Client(f"http://127.0.0.1:{free_port()}", retries=0) as client, pytest.raises(UnreachableError):
        client.predict(b"x")


async def give_up(url: str) -> None:
    async with AsyncClient(url, deadline_s=0.3) as client:
        await client.predict(b"x")


def test_models_are_listed() -> None:
    version = {
        "version": 2,
        "labels": ["stable"],
        "emotions": ["calm", "angry"],
        "feature_spec": {"sample_rate": 16_000},
        "feature_fingerprint": "f00",
        "card": {},
    }
    transport, seen = scripted(httpx.Response(200, json={"models": [{"name": "m", "versions": [version]}]}))
    with Client("http://service", transport=transport) as client:
        (served,) = client.models()
    assert seen[0][1].url.path == "/v1/models"
    assert (served.model, served.version, served.labels, served.emotions) == ("m", 2, ("stable",), ("calm", "angry"))
