"""Clients that send the head of a request and wait to be asked for its body."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager

HEAD = "POST {path} HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\nContent-Length: {length}\r\n"
AWAITS = HEAD + "Expect: 100-continue\r\n\r\n"


def answered(client: socket.socket) -> tuple[int, http.client.HTTPMessage]:
    """The status and the headers of the next answer, of which the body is read."""
    with client.makefile("rb") as answers:
        status = int(answers.readline().split()[1])
        head = http.client.parse_headers(answers)
        answers.read(int(head.get("Content-Length", 0)))
    return status, head


@contextmanager
def invited(port: int, path: str, length: int) -> Iterator[socket.socket]:
    """A client that was asked for its body: by then its request has whatever it holds while the body arrives."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(AWAITS.format(path=path, length=length).encode())
        status, _ = answered(client)
        assert status == 100
        yield client
