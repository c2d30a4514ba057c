"""Bodies as clients send them: raw, multipart, chunked, lying, slow."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests
from flask import Request

from preprocess_gateway.http.body_streams import DeclaredBody
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.http.uploads import Uploads
from preprocess_gateway.quotas import Ledger, Quota
from preprocess_gateway.settings import Settings
from tests.preprocess_gateway.http.test_predict import assert_problem
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.load import SlowClients, post_raw, run_load
from tests.support.model_server import ModelServer
from tests.support.unsent import Unfinished
from tests.support.waiting import until

READ_TIMEOUT_S = 5.0
"""A client that is suspended for so long loses its request."""


@pytest.fixture(scope="module")
def hasty(model_server: ModelServer) -> Iterator[Gateway]:
    """A gateway that waits no longer than READ_TIMEOUT_S for a request."""
    with Gateway(model_server.address, read_timeout_s=READ_TIMEOUT_S) as running:
        yield running


@pytest.mark.parametrize(
    "content_type",
    ["audio/wav", "audio/x-wav", "audio/flac", "audio/mpeg", "audio/webm;codecs=opus", "application/octet-stream"],
)
def test_a_raw_body_is_answered_as_the_same_clip_in_a_form(gateway: Gateway, content_type: str) -> None:
    clip = clips.tone()
    raw = requests.post(f"{gateway.url}/predict", data=clip, headers={"Content-Type": content_type}, timeout=30)
    assert raw.status_code == 200, raw.text
    assert raw.json()["probabilities"] == gateway.predict(clip).json()["probabilities"]


def test_a_chunked_body_is_read_and_bounded(gateway: Gateway) -> None:
    url, headers = f"{gateway.url}/predict", {"Content-Type": "audio/wav"}
    clip = clips.tone()
    pieces = (clip[start : start + 1000] for start in range(0, len(clip), 1000))
    assert requests.post(url, data=pieces, headers=headers, timeout=30).status_code == 200
    most = (bytes(100_000) for _ in range(10))  # as much as is allowed: it is read, and no sound
    assert_problem(requests.post(url, data=most, headers=headers, timeout=30), 415, "unsupported_format")
    endless = (bytes(100_000) for _ in range(12))  # 1.2 MB, 1 MB is allowed
    assert_problem(requests.post(url, data=endless, headers=headers, timeout=30), 413, "body_too_large")


@pytest.mark.parametrize(
    ("content_type", "clip"),
    [
        ("video/quicktime", clips.contained("mov", "aac")),
        ("video/3gpp", clips.contained("mp4", "aac")),
        ("video/mp4", clips.contained("mp4", "aac")),
        ("video/x-m4v", clips.contained("ipod", "aac")),
        ("video/x-matroska;codecs=opus", clips.contained("webm", "libopus")),
        ("video/ogg", clips.tone(format="OGG", subtype="OPUS")),
        ("application/mp4", clips.contained("ipod", "aac")),
        ("application/ogg", clips.tone(format="OGG", subtype="VORBIS")),
        ("application/x-matroska", clips.contained("webm", "libopus")),
        ("video/mp4", clips.tone()),  # the content decides
    ],
)
def test_the_sound_of_a_video_type_is_looked_at(gateway: Gateway, content_type: str, clip: bytes) -> None:
    response = requests.post(f"{gateway.url}/predict", data=clip, headers={"Content-Type": content_type}, timeout=30)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"Content-Type": "audio/wav", "Content-Encoding": "gzip"}, "Content-Encoding 'gzip'"),
        ({"Content-Type": "audio/wav", "Content-Encoding": "identity, BR"}, "Content-Encoding 'br'"),
        ({"Content-Type": "multipart/form-data; boundary=b", "Content-Encoding": "zstd"}, "Content-Encoding 'zstd'"),
        ({"Content-Type": "text/plain"}, "not as 'text/plain'"),
        ({"Content-Type": "image/png"}, "not as 'image/png'"),
        ({}, "with a Content-Type"),
    ],
)
def test_a_body_that_is_not_looked_at_says_why(gateway: Gateway, headers: dict[str, str], words: str) -> None:
    response = requests.post(f"{gateway.url}/predict", data=gzip.compress(clips.tone()), headers=headers, timeout=30)
    assert_problem(response, 415, "unsupported_media_type")
    assert words in response.json()["detail"]


def test_an_encoding_that_does_nothing_is_no_encoding(gateway: Gateway) -> None:
    headers = {"Content-Type": "audio/wav", "Content-Encoding": "identity"}
    assert requests.post(f"{gateway.url}/predict", data=clips.tone(), headers=headers, timeout=30).status_code == 200


@pytest.mark.parametrize(
    ("framing", "status", "code"),
    [
        (b"", 411, "length_required"),
        (b"Content-Length: 0\r\n", 400, "empty_audio"),
        (b"Transfer-Encoding: identity\r\n", 411, "length_required"),
        (b"Transfer-Encoding: gzip, chunked\r\n", 415, "unsupported_media_type"),
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_a_body_must_say_how_long_it_is(
    gateway: Gateway, framing: bytes, status: int, code: str, version: bytes
) -> None:
    head = b"POST /predict HTTP/%s\r\nHost: g\r\nContent-Type: audio/wav\r\n%s\r\n" % (version, framing)
    answer = exchange(gateway.port, head)
    if b"chunked" in framing and version == b"1.0":
        status, code = 400, "bad_request"  # that version of HTTP knows no chunks
    assert int(answer.split()[1]) == status, answer
    assert f'"{code}"'.encode() in answer


@pytest.mark.parametrize(
    "chunk", [b"zz\r\nhello\r\n", b"5\r\nhelloworld\r\n0\r\n\r\n", b"5;a\rb\r\nhello\r\n", b"5\r\nhel"]
)
def test_chunks_that_are_malformed_are_refused(gateway: Gateway, chunk: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = exchange(gateway.port, head + chunk)
    assert answer.startswith(b"HTTP/1.1 400 "), answer
    assert b'"incomplete_body"' in answer
    assert b"Traceback" not in gateway.log.encode()


@pytest.mark.parametrize("length", [b"Content-Length: 100000000000", b"Content-Length: 5000", b"Content-Length: -1"])
def test_a_length_that_lies_costs_nothing_but_its_own_request(gateway: Gateway, length: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\n" + length + b"\r\n\r\n"
    answer = exchange(gateway.port, head + b"only this")
    assert answer.split()[1] in (b"400", b"413"), answer
    assert gateway.predict(clips.tone()).status_code == 200


@pytest.mark.parametrize("framing", [b"Content-Length: 1000", b"Transfer-Encoding: chunked"])
def test_a_body_that_trickles_is_a_408(hasty: Gateway, framing: bytes) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\n" + framing + b"\r\n\r\n"
    answer = trickle(hasty.port, head, b"3e8\r\n")
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b'"request_timeout"' in answer


def test_a_recording_may_take_as_long_as_it_keeps_coming(hasty: Gateway) -> None:
    clip = clips.tone(8.0)
    pieces = [clip[start : start + 32_000] for start in range(0, len(clip), 32_000)]

    def slowly() -> Iterator[bytes]:
        for piece in pieces:
            time.sleep(1.25 * READ_TIMEOUT_S / len(pieces))
            yield piece

    headers = {"Content-Type": "audio/wav", "Accept": "application/json"}
    answer = requests.post(f"{hasty.url}/v1/recordings", data=slowly(), headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.json()["audio"]["duration_s"] == 8.0


def test_a_recording_that_trickles_is_a_408(hasty: Gateway) -> None:
    head = b"POST /v1/recordings HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\nContent-Length: 1000\r\n\r\n"
    answer = trickle(hasty.port, head, b"")
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert b"sent too slowly" in answer


def test_headers_that_trickle_end_the_connection(hasty: Gateway) -> None:
    assert trickle(hasty.port, b"POST /predict HTTP/1.1\r\nHost: g\r\nX-Long: ", b"") == b""


def test_two_hundred_slow_clients_hold_up_neither_requests_nor_probes(model_server: ModelServer) -> None:
    with (
        Gateway(model_server.address, queue=200, queue_s=60, read_timeout_s=600) as gateway,
        SlowClients(gateway.port, 200),
    ):
        until(lambda: in_progress(gateway) == 200)
        report = run_load(post_raw(f"{gateway.url}/predict", clips.tone()), clients=2, requests_total=60, seconds=300)
        assert len(report.records) == 60
        assert report.failed == []
        for probe in ("healthz", "readyz", "metrics"):
            assert requests.get(f"{gateway.probes}/{probe}", timeout=60).status_code == 200
        assert in_progress(gateway) == 200


def test_what_all_bodies_hold_together_is_bounded(model_server: ModelServer) -> None:
    clip = clips.tone()
    head = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\nContent-Length: 75500\r\n\r\n"
    with Gateway(model_server.address, max_held_bytes=95_000, max_body_bytes=76_000, read_timeout_s=600) as gateway:
        with Unfinished(gateway.port, head + bytes(75_000)) as holding:
            answers: list[requests.Response] = []

            def is_full() -> bool:  # of two that arrive together, either may be refused
                answers.append(gateway_raw(gateway, clip))
                return holding.wait() and answers[-1].status_code == 503

            until(is_full)
            assert_problem(answers[-1], 503, "overloaded")
        until(lambda: gateway_raw(gateway, clip).status_code == 200)  # that client is gone, and what it held


class Counted:
    """What gunicorn read ahead, which is nothing; notes what all bodies hold before each piece."""

    def __init__(self, held: Quota) -> None:
        self.held, self.seen = held, list[int]()

    def take_buffered(self) -> bytes:
        self.seen.append(self.held.taken)
        return b""

    def unread(self, data: bytes, /) -> None:
        assert not data


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize(("held_by_others", "expected"), [(0, 125_000), (Settings().max_held_bytes - 120_000, 0)])
def test_a_body_is_held_at_once_if_there_is_room_and_as_it_arrives_if_it_is_slow(
    form: bool, held_by_others: int, expected: int
) -> None:
    settings, ledger = Settings(), Ledger()
    uploads = Uploads(settings, ReadDeadlines(settings.read_timeout_s), ledger)
    ahead = Counted(ledger.quota("held_bytes", settings.max_held_bytes))
    assert ahead.held.take(held_by_others)
    content = b"--b\r\nContent-Disposition: form-data; name=file; filename=a.wav\r\n\r\n" if form else b""
    content = content.ljust(100_000 - 9, b"a") + (b"\r\n--b--\r\n" if form else bytes(9))
    ours, theirs = socket.socketpair()
    when_slow: list[int] = []
    with ours, theirs:

        def on_slow() -> None:
            when_slow.append(ahead.held.taken - held_by_others)
            theirs.sendall(content[40_000:])

        theirs.sendall(content[:40_000])
        kind = "multipart/form-data; boundary=b" if form else "audio/wav"
        body = DeclaredBody(ours, ahead, len(content))
        request = Request({"CONTENT_TYPE": kind, "CONTENT_LENGTH": str(len(content)), "wsgi.input": body})
        with uploads.read(request, form, on_slow) as [clip]:
            assert len(clip) <= ahead.held.taken - held_by_others <= 1.125 * len(clip) + 1_000
    assert ahead.seen[0] == held_by_others + expected
    assert len(when_slow) == 1
    assert 39_000 < when_slow[0] < 46_000
    assert ahead.held.taken == held_by_others


def in_progress(gateway: Gateway) -> float:
    scrape = requests.get(f"{gateway.probes}/metrics", timeout=60).text
    [line] = [line for line in scrape.splitlines() if line.startswith("speech_emotion_requests_in_progress")]
    return float(line.split()[-1])


def gateway_raw(gateway: Gateway, clip: bytes) -> requests.Response:
    with requests.Session() as session:
        return post_raw(f"{gateway.url}/predict", clip)(session)


def exchange(port: int, data: bytes) -> bytes:
    """Send `data`, say that no more will come, and read to the end."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def trickle(port: int, head: bytes, start: bytes) -> bytes:
    """Send the head, then a byte at a time, until the server answers or closes; what it said."""
    with socket.create_connection(("127.0.0.1", port), timeout=0.2) as client:
        client.sendall(head + start)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                answer = client.recv(65_536)
                if not answer.startswith(b"HTTP/1.1 408 "):
                    return answer
                client.settimeout(30)
                return answer + (b"" if answer.endswith(b"}") else client.recv(65_536))
            except TimeoutError:
                with suppress(OSError):  # closed meanwhile: the next read says with what
                    client.sendall(b"0")
            except ConnectionResetError:
                return b""
        raise AssertionError("the server waited for ever")
