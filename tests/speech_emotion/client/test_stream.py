"""Live streams by the client, sync and async, against the real service."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from websockets.sync.server import ServerConnection, serve

from speech_emotion.client import (
    AsyncClient,
    Client,
    End,
    LiveWindow,
    Now,
    ProblemError,
    ProtocolError,
    UnreachableError,
)
from speech_emotion.client.live import Event, encode
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from tests.support.ports import free_port

RATE = 16_000


def blocks(seconds: float = 5.0) -> Iterator[np.ndarray]:
    """Speech in pieces of a tenth of a second."""
    import io

    import soundfile

    samples, _ = soundfile.read(io.BytesIO(clips.tone(seconds)), dtype="float32")
    yield from np.array_split(samples, round(10 * seconds))


def test_blocks_are_answered_window_by_window(service: Gateway) -> None:
    asked = {"model": "edge", "emotions": ("calm", "sad", "angry"), "top": 2}
    with Client(service.url) as client, client.stream(sample_rate=RATE, **asked) as stream:
        events = list(stream.hear(blocks()))
    windows = [event for event in events if isinstance(event, LiveWindow)]
    assert windows[0].start_s == 0.0
    assert windows[-1].end_s == 5.0
    for window in windows:
        assert window.probabilities
        assert len(window.probabilities.keys() & {"calm", "sad", "angry"}) == len(window.probabilities) == 2
    assert sum(isinstance(event, Now) for event in events) == len(windows)
    assert isinstance(events[-1], End)
    assert events[-1].summary["windows"] == len(windows)
    assert events[-1].since_s == 0.0


def test_one_thread_sends_while_another_iterates(service: Gateway) -> None:
    with Client(service.url) as client, client.stream(sample_rate=RATE, model="edge") as stream:

        def speak() -> None:
            for block in blocks():
                stream.send(block)
            stream.finish()

        speaker = threading.Thread(target=speak)
        speaker.start()
        events = list(stream)
        speaker.join()
    assert isinstance(events[-1], End)
    assert list(stream) == []


def test_asyncio_has_the_same(service: Gateway) -> None:
    async def ask() -> list[object]:
        async with AsyncClient(service.url) as client, client.stream(sample_rate=RATE, model="edge") as stream:

            async def speak() -> None:
                for block in blocks():
                    await stream.send(block)
                await stream.finish()

            speaker = asyncio.create_task(speak())
            events = [event async for event in stream]
            await speaker
            return events

    events = asyncio.run(ask())
    assert isinstance(events[0], LiveWindow)
    assert isinstance(events[-1], End)


def test_what_the_service_refuses_is_a_problem(service: Gateway) -> None:
    with Client(service.url) as client:
        with pytest.raises(ProblemError, match="no model") as unknown:
            client.stream(sample_rate=RATE, model="nobody")
        assert (unknown.value.status, unknown.value.code) == (404, "unknown_model")
        with client.stream(sample_rate=1_000) as stream, pytest.raises(ProblemError) as rate:
            list(stream)
        assert rate.value.code == "sample_rate_out_of_range"
        with client.stream(sample_rate=RATE) as stream, pytest.raises(ProblemError) as empty:
            list(stream.hear([]))
        assert empty.value.code == "empty_audio"


def test_a_service_that_is_away_or_another_one_is_said_so() -> None:
    with Client(f"127.0.0.1:{free_port()}", retries=0) as client, pytest.raises(UnreachableError):
        client.stream(sample_rate=RATE)
    with socket.create_server(("127.0.0.1", 0)) as other, Client(f"127.0.0.1:{other.getsockname()[1]}") as client:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ProtocolError):
            client.stream(sample_rate=RATE)
        thread.join()


def test_an_encoding_that_is_none_is_refused_before_a_connection_is_made() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(ValueError, match="one of pcm_s16le, pcm_f32le, mulaw"):
        client.stream(sample_rate=RATE, encoding="opus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="opus"):
        AsyncClient("http://127.0.0.1:1").stream(sample_rate=RATE, encoding="opus")  # type: ignore[arg-type]


async def hear_nothing(url: str) -> None:
    async with AsyncClient(url, retries=1) as client, client.stream(sample_rate=RATE) as stream:
        async for event in stream:
            raise AssertionError(event)


def test_a_service_that_opens_streams_and_answers_none_is_given_up() -> None:
    opened: list[object] = []

    def refuse(connection: ServerConnection) -> None:
        opened.append(connection.recv())
        problem = {"type": "error", "status": 503, "code": "model_unavailable", "detail": "the model is away"}
        connection.send(json.dumps(problem))
        connection.close(1013)

    with serve(refuse, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        with (
            Client(url, retries=1) as client,
            client.stream(sample_rate=RATE) as stream,
            pytest.raises(ProblemError, match="the model is away"),
        ):
            list(stream)
        with pytest.raises(ProblemError, match="the model is away"):
            asyncio.run(hear_nothing(url))
        server.shutdown()
    assert len(opened) == 4


async def hear_all(url: str, heard: list[Event]) -> None:
    async with AsyncClient(url) as client, client.stream(sample_rate=RATE) as stream:

        async def speak() -> None:
            for block in blocks(20.0):
                await stream.send(block)
                await asyncio.sleep(0.1)

        speaking = asyncio.create_task(speak())
        try:
            async for event in stream:
                heard.append(event)
        finally:
            speaking.cancel()


@pytest.fixture(scope="module")
def short_streams(service_models: ModelServer) -> Iterator[Gateway]:
    with Gateway(service_models.address, stream_max_s=6) as gateway:
        yield gateway


def hear_in_real_time(url: str, heard: list[Event]) -> None:
    def spoken() -> Iterator[np.ndarray]:
        for block in blocks(20.0):
            yield block
            time.sleep(0.1)

    with Client(url) as client, client.stream(sample_rate=RATE) as stream:
        for event in stream.hear(spoken()):
            heard.append(event)


@pytest.mark.parametrize("asyncio_too", [False, True])
def test_sound_after_the_longest_stream_is_not_lost_in_silence(short_streams: Gateway, asyncio_too: bool) -> None:
    heard: list[Event] = []
    with pytest.raises(ProblemError) as error:
        asyncio.run(hear_all(short_streams.url, heard)) if asyncio_too else hear_in_real_time(short_streams.url, heard)
    assert error.value.code == "stream_too_long"
    assert isinstance(heard[-1], End)
    assert sum(isinstance(event, LiveWindow) for event in heard) == heard[-1].summary["windows"] > 1


def test_samples_become_bytes_of_the_streams_encoding() -> None:
    ints, floats = np.array([0, 16_384, -32_768], np.int16), np.array([0, 0.5, -1.0])
    assert encode(ints, "pcm_s16le", 1) == ints.astype("<i2").tobytes()
    assert encode(ints, "pcm_f32le", 1) == floats.astype("<f4").tobytes()
    assert encode(floats, "pcm_f32le", 1) == floats.astype("<f4").tobytes()
    assert encode(floats, "pcm_s16le", 1) == np.array([0, 16_384, -32_767], "<i2").tobytes()
    assert encode(b"any", "mulaw", 1) == b"any"
    for samples, encoding in (
        (np.zeros((2, 2)), "pcm_s16le"),
        (np.zeros(2, np.int32), "pcm_s16le"),
        (np.array([np.nan]), "pcm_s16le"),
        (np.zeros(2), "mulaw"),
    ):
        with pytest.raises(ValueError):
            encode(samples, encoding, 1)  # type: ignore[arg-type]
