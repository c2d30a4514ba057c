"""Limits of streams on a real gunicorn: a close code with a reason, and no other client loses its place."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import OP_BINARY, OP_CONT, OP_TEXT, Frame

from tests.preprocess_gateway.http.live.conftest import LIMITS, RATE, all_messages, closed_with, pcm, speak, stream
from tests.preprocess_gateway.http.live.test_stream import HANDSHAKE
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from tests.support.unsent import answered
from tests.support.waiting import until

MOST_CPU_S = 3.0


@pytest.fixture(scope="module")
def hasty(model_server: ModelServer) -> Iterator[Gateway]:
    """A gateway that waits for no client."""
    with Gateway(model_server.address, stream_start_s=1, stream_idle_s=1.5) as running:
        yield running


@pytest.fixture(autouse=True)
def others_are_served(live: Gateway) -> Iterator[None]:
    """Whatever a stream does, the next clip and the next stream are answered, and no fault is logged."""
    yield
    assert live.predict(clips.tone()).status_code == 200
    with stream(live, {"sample_rate": RATE}) as ws:
        assert json.loads(ws.recv())["type"] == "ready"
        speak(ws, pcm(1))
        ws.send('{"type": "finish"}')
        assert all_messages(ws)[-1]["type"] == "end"
    assert "Traceback" not in live.log
    assert "internal_error" not in live.log


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("", "JSON"),
        ("no JSON", "JSON"),
        ("[]", "start"),
        ("{}", "sample_rate"),
        ("x" * 5000, "4096"),
        ('{"sample_rate": 16000, "encoding": "opus"}', "encoding"),
        ('{"sample_rate": 16000, "colour": 1}', "colour"),
        ('{"sample_rate": NaN}', "sample_rate"),
        ('{"sample_rate": 16000, "stride_s": 0.1}', "stride_s"),
        ('{"sample_rate": 16000, "stride_s": 1e9}', "stride_s: Input"),
        ('{"sample_rate": 16000, "top": 0}', "top: Input"),
        ('{"sample_rate": 16000, "stride_s": 50}', "stride_s"),
        ('{"sample_rate": 16000, "emotions": ["joy", "bored"]}', "'bored'"),
        ('{"sample_rate": 16000, "emotions": ["joy"]}', "emotions: two or more different emotions"),
        ('{"sample_rate": 16000, "emotions": ["joy", ""]}', "emotions: one of the names is empty"),
        ('{"sample_rate": 16000, "emotions": "joy,calm"}', "emotions: Input"),
        ('{"type": "finish"}', "start"),
        ("[" * 4000, "JSON"),
    ],
)
def test_a_first_message_that_says_nothing_is_an_error(live: Gateway, first: str, said: str) -> None:
    with stream(live, first) as ws:
        code, name, error = closed_with(ws)
    assert (code, name) == (1007, "bad_message")
    assert said in error["detail"]


@pytest.mark.parametrize(
    ("start", "name"),
    [
        ({"sample_rate": 500_000}, "sample_rate_out_of_range"),
        ({"sample_rate": 100}, "sample_rate_out_of_range"),
        ({"sample_rate": 192_000, "channels": 64}, "too_many_channels"),
    ],
)
def test_a_claim_beyond_the_limits_of_clips_is_refused(live: Gateway, start: dict[str, int], name: str) -> None:
    with stream(live, start) as ws:
        assert closed_with(ws)[:2] == (1008, name)


def test_192_khz_in_two_channels_is_heard(live: Gateway) -> None:
    with stream(live, {"sample_rate": 192_000, "channels": 2}) as ws:
        data = np.repeat(np.frombuffer(pcm(1.0, 192_000), "<i2"), 2).tobytes()
        speak(ws, data)
        ws.send('{"type": "finish"}')
        assert [each["type"] for each in all_messages(ws)] == ["ready", "window", "now", "end"]


def test_samples_before_the_first_message_are_an_error(live: Gateway) -> None:
    with stream(live) as ws:
        speak(ws, pcm(1))
        assert closed_with(ws)[:2] == (1007, "bad_message")


@pytest.mark.parametrize("second", ['{"sample_rate": 16000}', "{}", "hello", '{"type": "finish", "now": true}'])
def test_text_between_samples_is_an_error_unless_it_finishes(live: Gateway, second: str) -> None:
    with stream(live, {"sample_rate": RATE}) as ws:
        speak(ws, pcm(0.5))
        ws.send(second)
        assert closed_with(ws)[:2] == (1007, "bad_message")


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_samples_that_are_no_numbers_are_an_error(live: Gateway, value: float) -> None:
    with stream(live, {"sample_rate": RATE, "encoding": "pcm_f32le"}) as ws:
        ws.send(np.array([0.1, value], "<f4").tobytes())
        assert closed_with(ws)[:2] == (1007, "non_finite_audio")


def test_a_stream_that_finishes_without_samples_is_an_error(live: Gateway) -> None:
    with stream(live, {"sample_rate": RATE}) as ws:
        ws.send('{"type": "finish"}')
        assert closed_with(ws)[:2] == (1007, "empty_audio")


def test_a_message_that_is_too_large_is_an_error_before_it_is_sent_whole(live: Gateway) -> None:
    with stream(live, {"sample_rate": RATE}) as ws:
        ws.recv()
        ws.socket.sendall(struct.pack("!BBQ", 0x82, 0xFF, 2**40) + b"mask")
        assert closed_with(ws)[:2] == (1009, "frame_too_large")


@pytest.mark.parametrize(
    "data",
    [
        Frame(OP_BINARY, b"1234").serialize(mask=False),
        Frame(OP_CONT, b"1234").serialize(mask=True),
        bytes([0xF2, 0x80, 1, 2, 3, 4]),
        bytes([0x83, 0x80, 1, 2, 3, 4]),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 500,
    ],
    ids=["no mask", "continues nothing", "reserved bits", "reserved opcode", "HTTP", "ones"],  # a mask is random
)
def test_what_is_no_frame_of_a_client_is_an_error(live: Gateway, data: bytes) -> None:
    with stream(live, {"sample_rate": RATE}) as ws:
        ws.recv()
        ws.socket.sendall(data)
        assert closed_with(ws)[:2] == (1002, "bad_message")


def test_text_may_come_in_pieces_and_no_utf_8_is_an_error(live: Gateway) -> None:
    with stream(live) as ws:
        for data, fin, kind in ((b'{"sample_', False, OP_TEXT), (b'rate": 16000}', True, OP_CONT)):
            ws.socket.sendall(Frame(kind, data, fin).serialize(mask=True))
        assert json.loads(ws.recv())["type"] == "ready"
        ws.socket.sendall(Frame(OP_TEXT, b"\xff\xfe").serialize(mask=True))
        assert closed_with(ws)[:2] == (1007, "bad_message")


def test_a_stream_too_far_ahead_of_real_time_is_an_error(live: Gateway) -> None:
    with stream(live, {"sample_rate": 1_000, "encoding": "mulaw"}) as ws:
        ws.send(bytes(60_000))  # a minute in one message: how long it takes to be heard does not matter
        code, name, error = closed_with(ws)
    assert (code, name) == (1008, "stream_too_fast")
    assert "20 s ahead" in error["detail"]


def test_a_million_tiny_frames_are_not_read_to_their_end(live: Gateway) -> None:
    with stream(live, {"sample_rate": RATE}) as ws:
        ws.recv()
        tiny = Frame(OP_BINARY, b"").serialize(mask=True) * 10_000
        before = cpu_s(live)
        with suppress(OSError):  # it has been closed
            for _ in range(100):
                ws.socket.sendall(tiny)
        assert closed_with(ws)[:2] == (1008, "stream_too_fast")
        assert cpu_s(live) - before < MOST_CPU_S


def cpu_s(gateway: Gateway) -> float:
    """CPU time that its workers have taken."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in gateway.workers]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("opens_with", [None, {"sample_rate": RATE}])
def test_a_client_that_says_nothing_is_not_waited_for(hasty: Gateway, opens_with: dict[str, int] | None) -> None:
    with stream(hasty, opens_with) as ws:
        assert closed_with(ws)[:2] == (1008, "stream_idle")


def test_a_byte_now_and_then_is_no_sound(hasty: Gateway) -> None:
    with stream(hasty, {"sample_rate": RATE}) as ws:
        end = time.monotonic() + 60
        with suppress(ConnectionClosed):
            while time.monotonic() < end:
                ws.send(b"1")
                time.sleep(0.1)
        assert closed_with(ws)[:2] == (1008, "stream_idle")


def test_a_client_has_so_many_streams_and_all_have_so_many(live: Gateway) -> None:
    """By the address that the proxy saw."""
    with ExitStack() as held:
        for client in ("10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"):
            ws = held.enter_context(
                stream(live, {"sample_rate": RATE}, additional_headers={"X-Forwarded-For": f"9.9.9.9, {client}"})
            )
            assert json.loads(ws.recv())["type"] == "ready"
        for client, name in (("10.0.0.1", "too_many_streams"), ("10.0.0.3", "overloaded")):
            with stream(live, additional_headers={"X-Forwarded-For": client}) as ws:
                assert closed_with(ws)[:2] == (1013, name)


@pytest.mark.parametrize(
    "first",
    [b"", Frame(OP_TEXT, b'{"sample_rate": 16000}').serialize(mask=True), b"\x81"],
    ids=["nothing", "a message", "half a frame"],
)
def test_connections_that_break_give_their_place_back(live: Gateway, first: bytes) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "g", **HANDSHAKE}.items())
    for _ in range(2 * LIMITS["stream_max_open"]):
        # Not by a client with a thread that reads: its socket would stay open until that thread wakes up.
        with socket.create_connection(("127.0.0.1", live.port), timeout=60) as client:
            client.sendall(f"GET /v1/stream HTTP/1.1\r\n{head}\r\n".encode())
            assert answered(client)[0] == 101
            client.sendall(first)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: opens(live))  # the last ones are still being noticed


def opens(gateway: Gateway) -> bool:
    """Whether there is a place for a stream."""
    with stream(gateway, {"sample_rate": RATE}) as ws:
        return bool(json.loads(ws.recv())["type"] == "ready")


def test_a_stream_ends_with_its_summary_when_it_has_lasted_as_long_as_it_may(model_server: ModelServer) -> None:
    with Gateway(model_server.address, stream_max_s=8) as short, stream(short, {"sample_rate": RATE}) as ws:
        speak(ws, pcm(2))
        messages = all_messages(ws)
    assert [each["type"] for each in messages] == ["ready", "window", "now", "end", "error"]
    assert (ws.close_code, messages[-1]["code"]) == (1008, "stream_too_long")
