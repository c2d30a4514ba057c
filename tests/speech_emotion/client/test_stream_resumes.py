"""Live streams whose connection ends: they go on with another one, and no window is missing, by both clients."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
import soundfile
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from speech_emotion.client import AsyncClient, Client, End, LiveWindow, ProblemError
from speech_emotion.client.live import Event
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

RATE, WINDOW_S = 100, 4.0
VERDICT = {"emotion": None, "confidence": None, "probabilities": None, "uncertain": False}
CUT = "cut"


class Service:
    """Answers a sound of RATE bytes a second; for each connection, `ends` has what ends it.

    An error ends a connection after the first window, or at once if its code is `too_many_streams`. CUT ends it between
    the last window and the summary.
    """

    def __init__(self, *ends: dict[str, Any] | str, stride_s: float = 2.0, ahead_s: float = 30.0) -> None:
        self._ends = list(ends)
        self._stride_s = stride_s
        self._ahead_s = ahead_s
        self.starts_s: list[float] = []
        self.too_fast = 0

    def __call__(self, connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            self._answer(connection, self._ends.pop(0) if self._ends else None)

    def _answer(self, connection: ServerConnection, end: dict[str, Any] | str | None) -> None:
        start_s = json.loads(connection.recv())["start_s"]
        self.starts_s.append(start_s)
        begun, heard_s, next_s = time.monotonic(), 0.0, 0.0
        if isinstance(end, dict) and end["code"] == "too_many_streams":
            return self._refuse(connection, end)
        connection.send(json.dumps({"type": "ready", "stride_s": self._stride_s, "ahead_s": self._ahead_s}))
        for message in connection:
            if isinstance(message, bytes):
                heard_s += len(message) / RATE
                self.too_fast += heard_s - (time.monotonic() - begun) > self._ahead_s
                while next_s + WINDOW_S < heard_s:
                    self._window(connection, start_s + next_s, start_s + next_s + WINDOW_S)
                    next_s += self._stride_s
                    if isinstance(end, dict):
                        return self._refuse(connection, end)
                continue
            self._window(connection, start_s + max(0.0, heard_s - WINDOW_S), start_s + heard_s)
            if end == CUT:
                return connection.socket.shutdown(socket.SHUT_RDWR)
            connection.send(json.dumps({"type": "end", "summary": {"audio": {"duration_s": heard_s}}}))
            return connection.close(1000)

    @staticmethod
    def _window(connection: ServerConnection, start_s: float, end_s: float) -> None:
        connection.send(
            json.dumps({"type": "window", "start_s": round(start_s, 3), "end_s": round(end_s, 3), **VERDICT})
        )

    @staticmethod
    def _refuse(connection: ServerConnection, error: dict[str, Any]) -> None:
        connection.send(json.dumps({"type": "error", "detail": "not now", **error}))
        connection.close(error["close_code"])

    @contextmanager
    def running(self) -> Iterator[str]:
        with serve(self, "127.0.0.1", 0, max_queue=None) as server:  # a close is read, whatever comes before it
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
            server.shutdown()
            thread.join()


def hear(url: str, blocks: Iterable[bytes], **options: Any) -> list[Event]:
    with Client(url, deadline_s=60, retries=60) as client, client.stream(**options) as stream:
        return list(stream.hear(blocks))


def hear_with_asyncio(url: str, blocks: Iterable[bytes], **options: Any) -> list[Event]:
    async def ask() -> list[Event]:
        async with (
            AsyncClient(url, deadline_s=60, retries=60) as client,
            client.stream(**options) as stream,
            asyncio.TaskGroup() as tasks,
        ):

            async def speak() -> None:
                for block in blocks:
                    await stream.send(block)
                    await asyncio.sleep(0)
                await stream.finish()

            tasks.create_task(speak())
            return [event async for event in stream]

    return asyncio.run(ask())


HEARING = pytest.mark.parametrize("hearing", [hear, hear_with_asyncio])
Hearing = Callable[..., list[Event]]
SOUND = {"sample_rate": RATE, "encoding": "mulaw"}


def windows_of(events: list[Event]) -> list[tuple[float, float]]:
    return [(event.start_s, event.end_s) for event in events if isinstance(event, LiveWindow)]


@HEARING
@pytest.mark.parametrize(("status", "code"), [(503, "model_unavailable"), (504, "deadline_exceeded")])
def test_a_stream_that_is_closed_for_a_time_goes_on(hearing: Hearing, status: int, code: str) -> None:
    service = Service({"status": status, "code": code, "close_code": 1013, "resume_s": 2.0})
    with service.running() as url:
        events = hearing(url, [bytes(50)] * 20, **SOUND)
    assert service.starts_s == [0.0, 2.0]
    assert windows_of(events) == [(0, 4), (2, 6), (4, 8), (6, 10)]
    assert isinstance(events[-1], End)
    assert events[-1].since_s == 2.0


@HEARING
def test_the_place_of_a_dead_connection_is_waited_for(hearing: Hearing) -> None:
    full = {"status": 429, "code": "too_many_streams", "close_code": 1013}
    service = Service({"status": 503, "code": "overloaded", "close_code": 1013}, full, full)
    with service.running() as url:
        events = hearing(url, [bytes(50)] * 20, **SOUND)
    assert service.starts_s == [0.0, 2.0, 2.0, 2.0]
    assert windows_of(events) == [(0, 4), (2, 6), (4, 8), (6, 10)]


@HEARING
def test_a_stream_that_came_too_fast_is_not_tried_again(hearing: Hearing) -> None:
    service = Service({"status": 429, "code": "stream_too_fast", "close_code": 1008})
    with service.running() as url, pytest.raises((ProblemError, ExceptionGroup)) as error:
        hearing(url, [bytes(50)] * 20, **SOUND)
    found = error.value
    while isinstance(found, ExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, ProblemError)
    assert (found.code, found.close_code) == ("stream_too_fast", 1008)
    assert service.starts_s == [0.0]


@HEARING
def test_what_is_sent_again_comes_no_faster_than_the_service_takes_it(hearing: Hearing) -> None:
    service = Service({"status": 503, "code": "model_unavailable", "close_code": 1013}, ahead_s=2.0)
    with service.running() as url:
        events = hearing(url, [bytes(600)], **SOUND)
    assert service.too_fast == 0
    assert windows_of(events) == [(0, 4), (2, 6)]
    assert isinstance(events[-1], End)


@HEARING
@pytest.mark.parametrize("stride_s", [2.0, WINDOW_S])
def test_a_connection_that_breaks_before_the_summary_costs_and_adds_no_window(
    hearing: Hearing, stride_s: float
) -> None:
    service = Service(CUT, CUT, stride_s=stride_s)
    with service.running() as url:
        events = hearing(url, [bytes(50)] * 16, **SOUND)
    assert service.starts_s == [0.0, 4.0, 4.0]
    assert windows_of(events) == ([(0, 4), (2, 6), (4, 8)] if stride_s == 2 else [(0, 4), (4, 8)])
    end = events[-1]
    assert isinstance(end, End)
    assert (end.since_s, end.summary) == (4.0, {"audio": {"duration_s": 4.0}})
    assert sum(isinstance(event, End) for event in events) == 1


def pcm(seconds: float) -> bytes:
    samples, _ = soundfile.read(io.BytesIO(clips.tone(seconds)), dtype="int16")
    return bytes(samples.tobytes())


@HEARING
def test_after_an_outage_longer_than_the_service_takes_ahead_no_window_is_missing(
    service_models: ModelServer, hearing: Hearing
) -> None:
    sound, block = pcm(14), 3200
    with Gateway(service_models.address, stream_ahead_s=3) as gateway:

        def spoken() -> Iterator[bytes]:
            begun = time.monotonic()
            for number, at in enumerate(range(0, len(sound), block)):
                if number == 75:
                    assert gateway.process
                    workers = gateway.workers
                    gateway.process.kill()
                    for worker in workers:
                        os.kill(worker, signal.SIGKILL)
                    gateway.process.wait()
                    gateway.start()
                if number == 76:
                    time.sleep(4)  # meanwhile the source has kept what was spoken
                if hearing is hear:
                    time.sleep(max(0.0, begun + number * 0.1 - time.monotonic()))
                yield sound[at : at + block]

        events = hearing(gateway.url, spoken(), sample_rate=16_000)
    windows = windows_of(events)
    assert windows[0][0] == 0
    assert windows[-1][1] == pytest.approx(14, abs=0.01)
    assert all(later <= end for (_, end), (later, _) in pairwise(windows))
    assert len({start for start, _ in windows}) == len(windows)
    assert isinstance(events[-1], End)
    assert events[-1].since_s > 0
