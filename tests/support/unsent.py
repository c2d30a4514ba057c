"""Clients that have not sent all of their request."""

from __future__ import annotations

import http.client
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

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


class Unfinished:
    """`count` clients that send `data`, the beginning of a request, and no more, as a context manager."""

    def __init__(self, port: int, data: bytes, count: int = 1) -> None:
        self._port, self._data, self._count = port, data, count
        self._clients: list[socket.socket] = []

    def wait(self) -> bool:
        """Whether all clients still wait. One that was answered, as another request had its place, begins again."""
        answered, _, _ = select.select(self._clients, [], [], 0)
        for client in answered:
            client.close()
            self._clients.remove(client)
        self._fill()
        return not answered

    def _fill(self) -> None:
        while len(self._clients) < self._count:
            self._clients.append(socket.create_connection(("127.0.0.1", self._port), timeout=60))
            self._clients[-1].sendall(self._data)

    def __enter__(self) -> Self:
        self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as closing:
            for client in self._clients:
                closing.callback(client.close)
