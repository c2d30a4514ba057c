"""Responses to requests that gunicorn has read: what is sent, and in how many pieces."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn

from preprocess_gateway.process.worker import Worker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

LENGTH = [("Content-Length", "4")]
Sent = Callable[..., tuple[list[bytes], bool]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    """Lets a worker answer a request with these pieces; what is sent at once, and whether the connection is kept."""
    config = Config()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)  # each `send` is received for itself
    theirs.setblocking(False)
    worker = Worker(0, 0, [], SimpleNamespace(cfg=config), 1, config, Logger(config))
    worker.tmp.close()

    def answer(
        method: str, status: str, headers: list[tuple[str, str]], pieces: Iterable[bytes]
    ) -> tuple[list[bytes], bool]:
        def app(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            start_response(status, headers)
            return pieces

        monkeypatch.setattr(worker, "wsgi", app, raising=False)
        conn = TConn(config, ours, ("127.0.0.1", 1), ("127.0.0.1", 80))
        request = next(RequestParser(config, [f"{method} / HTTP/1.1\r\nHost: g\r\n\r\n".encode()], conn.client))
        ours.setblocking(True)
        received = []
        try:
            kept = worker._answer(request, conn)
        except StopIteration:
            kept = False
        while True:
            try:
                received.append(theirs.recv(65_536))
            except BlockingIOError:
                return received, kept

    with ours, theirs:
        yield answer


def test_the_headers_are_sent_with_the_first_bytes(sent: Sent) -> None:
    (first, second), kept = sent("GET", "200 OK", LENGTH, [b"ab", b"cd"])
    head, _, body = first.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: ")
    assert head.endswith(b"\r\nConnection: keep-alive\r\nContent-Length: 4")
    assert (body, second, kept) == (b"ab", b"cd", True)


def test_so_they_are_in_front_of_the_first_chunk(sent: Sent) -> None:
    (first, *rest), kept = sent("GET", "200 OK", [], [b"ab", b"0123456789abcdef"])
    assert b"\r\nTransfer-Encoding: chunked\r\n" in first
    assert first.endswith(b"\r\n\r\n2\r\nab\r\n")
    assert rest == [b"10\r\n0123456789abcdef\r\n", b"0\r\n\r\n"]
    assert kept


@pytest.mark.parametrize("headers", [[], LENGTH])
def test_an_empty_piece_sends_the_headers_at_once(sent: Sent, headers: list[tuple[str, str]]) -> None:
    (head, *rest), _ = sent("GET", "200 OK", headers, [b"", b"abcd"])
    assert head.endswith(b"\r\n\r\n")
    assert rest == ([b"abcd"] if headers else [b"4\r\nabcd\r\n", b"0\r\n\r\n"])


@pytest.mark.parametrize(
    ("method", "status", "pieces"),
    [("HEAD", "200 OK", []), ("GET", "304 NOT MODIFIED", []), ("GET", "101 SWITCHING", [b""]), ("GET", "204 N", [])],
)
def test_a_response_without_a_body_is_its_headers(sent: Sent, method: str, status: str, pieces: list[bytes]) -> None:
    [head], kept = sent(method, status, [], pieces)
    assert head.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert head.endswith(b"\r\n\r\n")
    assert kept


def test_one_that_fails_on_the_way_is_cut_off(sent: Sent, caplog: pytest.LogCaptureFixture) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"ab"
        raise ZeroDivisionError

    caplog.set_level(logging.ERROR)
    (first,), kept = sent("GET", "200 OK", LENGTH, pieces())
    assert first.endswith(b"ab")
    assert not kept


def test_one_that_fails_before_it_begins_is_answered_by_whoever_handles_errors(sent: Sent) -> None:
    def pieces() -> Iterator[bytes]:
        raise ZeroDivisionError
        yield b""

    with pytest.raises(ZeroDivisionError):
        sent("GET", "200 OK", LENGTH, pieces())
