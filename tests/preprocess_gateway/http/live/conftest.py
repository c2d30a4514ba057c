"""A gateway whose streams have small limits, and what tests need to speak to it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import soundfile
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

RATE = 16_000
LIMITS = {
    "stream_max_open": 4,
    "stream_max_open_per_client": 3,
    "stream_start_s": 120,
    "stream_idle_s": 120,
    "stream_ahead_s": 20,
    "stream_max_frame_bytes": 65_536,
    "stream_unsent_bytes": 16_384,
    "stream_max_frames_per_s": 100,
    "min_sample_rate": 1_000,
    "max_channels": 2,
    "cors_origins": "https://app.example",
    "proxies": 1,
}


@pytest.fixture(scope="module")
def live(model_server: ModelServer) -> Iterator[Gateway]:
    with Gateway(model_server.address, **LIMITS) as running:
        yield running


@contextmanager
def stream(
    gateway: Gateway, start: object = None, path: str = "/v1/stream", **options: Any
) -> Iterator[ClientConnection]:
    """An open stream; `start` is its first message, a dict or text, none if it is None."""
    patient = {"open_timeout": 60, "close_timeout": 60, "ping_interval": None, **options}
    with connect(f"ws{gateway.url.removeprefix('http')}{path}", proxy=None, **patient) as ws:
        if start is not None:
            ws.send(start if isinstance(start, str) else json.dumps(start))
        yield ws


def pcm(seconds: float, rate: int = RATE) -> bytes:
    """What counts as speech, as 16-bit samples."""
    samples, _ = soundfile.read(io.BytesIO(clips.tone(seconds, rate)), dtype="int16")
    return bytes(samples.astype("<i2").tobytes())


def speak(ws: ClientConnection, data: bytes, cut: int = 60_001) -> None:
    """Send samples in messages that no sample ends with."""
    for at in range(0, len(data), cut):
        ws.send(data[at : at + cut])


def all_messages(ws: ClientConnection) -> list[dict[str, Any]]:
    """Every message until the gateway closes."""
    seen = []
    try:
        while True:
            seen.append(json.loads(ws.recv(timeout=60)))
    except ConnectionClosed:
        return seen


def closed_with(ws: ClientConnection) -> tuple[int | None, str, dict[str, Any]]:
    """Close code, the error's code, and the error, which the last message is."""
    error = all_messages(ws)[-1]
    assert error["type"] == "error"
    assert error["close_code"] == ws.close_code
    assert ws.close_reason == error["detail"][:123]
    return ws.close_code, error["code"], error
