"""Requests that gunicorn refuses before the application sees them, and bodies that are not read to their end."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from contextlib import suppress

import pytest
import requests

from tests.preprocess_gateway.http.test_uploads import exchange
from tests.support import clips
from tests.support.gateway import Gateway

POST = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\n"
PIECE = bytes(65_536)
LARGE = 22 * 1024 * 1024
AT_ONCE = 5
PATIENCE_S = 45  # a sender that is told nothing waits for a minute


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/9.9\r\nHost: g\r\n\r\n", 400, "bad_request"),
        (b"G=T / HTTP/1.1\r\nHost: g\r\n\r\n", 400, "bad_request"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: g\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nbad{}name: 1\r\n\r\n", 400, "bad_request"),
        (b"GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n", 400, "bad_request"),
        (POST + b"Content-Length: \xb2\r\n\r\n", 400, "bad_request"),
        (POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400, "bad_request"),
        (POST + b"Content-Length: +5\r\n\r\nhello", 400, "bad_request"),
        (POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400, "bad_request"),
        (POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"),
        (POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"),
        (POST + b"Expect: the moon\r\nContent-Length: 5\r\n\r\nhello", 417, "http_error"),
        (POST + b"Transfer-Encoding: brotli\r\n\r\n0\r\n\r\n", 501, "http_error"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", 431, "http_error"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 431, "http_error"),
    ],
)
def test_what_gunicorn_refuses_is_answered_as_a_problem(
    gateway: Gateway, request_bytes: bytes, status: int, code: str
) -> None:
    head, _, body = exchange(gateway.port, request_bytes).partition(b"\r\n\r\n")
    assert int(head.split()[1]) == status, head + body
    assert b"Content-Type: application/problem+json" in head
    problem = json.loads(body)
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/docs#{code}")
    assert f"X-Request-ID: {problem['request_id']}".encode() in head
    assert problem["detail"]
    assert problem["request_id"] in gateway.log


class Sender(threading.Thread):
    """Sends and never reads; `ended` says how it learnt that it is not wanted."""

    def __init__(self, port: int, head: bytes, piece: bytes, count: int, pause_s: float) -> None:
        super().__init__()
        self._work = (port, head, piece, count, pause_s)
        self.ended = ""

    def run(self) -> None:
        port, head, piece, count, pause_s = self._work
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as client:
            try:
                client.sendall(head)
                for _ in range(count):
                    client.sendall(piece)
                    time.sleep(pause_s)
                client.shutdown(socket.SHUT_WR)
                answer = client.recv(65_536)
                self.ended = answer.split()[1].decode() if answer else "closed"
            except (ConnectionResetError, BrokenPipeError):
                self.ended = "reset"
            except TimeoutError:
                self.ended = "waited for ever"


LENGTH = POST + b"Content-Length: %d\r\n\r\n"
FOREVER = 10**9
SENDERS = {
    "one large body": (LENGTH % LARGE, PIECE, LARGE // len(PIECE), 0.0),
    "a body without an end": (LENGTH % 10**15, PIECE, FOREVER, 0.0),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + PIECE + b"\r\n", FOREVER, 0.0),
    "a byte at a time": (LENGTH % LARGE, b"x", FOREVER, 0.02),
    "a large form": (LENGTH.replace(b"audio/wav", b"multipart/form-data; boundary=b") % LARGE, PIECE, FOREVER, 0.0),
    "another type": (LENGTH.replace(b"audio/wav", b"text/plain") % LARGE, PIECE, FOREVER, 0.0),
    "another path": (LENGTH.replace(b"/predict", b"/nowhere") % LARGE, PIECE, FOREVER, 0.0),
    "headers without an end": (b"POST /predict HTTP/1.1\r\n", b"X: y\r\n" * 100, FOREVER, 0.0),
    "no HTTP at all": (b"\r\n\r\nhello", PIECE, FOREVER, 0.0),
}


@pytest.mark.parametrize("kind", SENDERS)
def test_who_sends_too_much_and_never_reads_is_answered_or_reset(gateway: Gateway, kind: str) -> None:
    senders = [Sender(gateway.port, *SENDERS[kind]) for _ in range(AT_ONCE)]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    assert {each.ended for each in senders} <= {"reset", "400", "404", "413", "415"}
    assert gateway.predict(clips.tone()).status_code == 200


def test_five_clients_who_send_too_much_at_once_read_why(gateway: Gateway) -> None:
    statuses: list[int] = []

    def post() -> None:
        answer = requests.post(
            f"{gateway.url}/predict", data=bytes(LARGE), headers={"Content-Type": "audio/wav"}, timeout=PATIENCE_S
        )
        statuses.append(answer.status_code)

    clients = [threading.Thread(target=post) for _ in range(AT_ONCE)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert statuses == [413] * AT_ONCE


REFUSED = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n" + bytes(1000)
REFUSED_CHUNKS = (
    b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3e8\r\n" + bytes(1000) + b"\r\n0\r\n\r\n"
)
MODELS = b"GET /v1/models HTTP/1.1\r\nHost: g\r\n\r\n"
LAST = MODELS.replace(b"Host", b"Connection: close\r\nHost")


def statuses(client: socket.socket, count: int) -> list[int]:
    """Of the next answers on a connection, which are of known length."""
    found = []
    with client.makefile("rb") as answers:
        for _ in range(count):
            found.append(int(answers.readline().split()[1]))
            head = http.client.parse_headers(answers)
            answers.read(int(head["Content-Length"]))
    return found


@pytest.mark.parametrize("refused", [REFUSED, REFUSED_CHUNKS], ids=["length", "chunks"])
def test_a_small_body_that_is_refused_unread_keeps_its_connection(gateway: Gateway, refused: bytes) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as client:
        for _ in range(3):
            client.sendall(refused)
            assert statuses(client, 1) == [415]


@pytest.mark.parametrize(
    ("requests_at_once", "expected"),
    [
        (MODELS * 5, [200] * 5),
        ((REFUSED + MODELS) * 3, [415, 200] * 3),
        ((REFUSED_CHUNKS + MODELS) * 3, [415, 200] * 3),
        (MODELS + LAST, [200, 200]),
        (MODELS + MODELS[:20], [200]),
    ],
    ids=["whole", "after a body unread", "after chunks unread", "the last one closes", "with the start of another"],
)
def test_requests_that_arrive_together_are_answered_in_turn(
    gateway: Gateway, requests_at_once: bytes, expected: list[int]
) -> None:
    """A client sends on before its answer is here, or so soon after it that the last request's rest is still unread."""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as client:
        client.sendall(requests_at_once)
        assert statuses(client, len(expected)) == expected
        if requests_at_once.endswith(MODELS[:20]):
            client.sendall(MODELS[20:])
            assert statuses(client, 1) == [200]


@pytest.mark.parametrize("path", [b"/predict", b"/v1/recordings"])
@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"3\r\nabcXX",
        b"3;a\rb\r\nabc\r\n",
        b"3\r\nabc\r\n0\r\nno trailer\r\n\r\n",
        b"3;" + b"x" * 80_000,
        b"3\r\nabc\r\n0\r\nX: " + b"x" * 80_000,
    ],
    ids=["size", "end", "extension", "trailer", "endless extension", "endless trailer"],
)
def test_nothing_after_malformed_chunks_is_taken_for_a_request(gateway: Gateway, path: bytes, chunks: bytes) -> None:
    head = b"POST %s HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n" % path
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as client:
        client.sendall(head + chunks)
        with client.makefile("rb") as answers:
            assert int(answers.readline().split()[1]) == 400
            answer = http.client.parse_headers(answers)
            assert answer["Connection"] == "close"
            assert json.loads(answers.read(int(answer["Content-Length"])))["code"] == "incomplete_body"
            with suppress(OSError):  # it is closed already
                client.sendall(MODELS)
            with suppress(ConnectionResetError):
                assert answers.read() == b""


def test_chunks_that_are_refused_unread_and_turn_out_malformed_get_one_answer(gateway: Gateway) -> None:
    chunks = REFUSED_CHUNKS.replace(b"0\r\n\r\n", b"0\r\nno trailer\r\n\r\n")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as client:
        client.sendall(chunks + MODELS)
        assert statuses(client, 1) == [415]
        with suppress(ConnectionResetError):
            assert client.recv(65_536) == b""
