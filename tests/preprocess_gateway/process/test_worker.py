"""Connections of a real gunicorn's worker: none holds up others, none that has sent a request is cut off."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from tests.support.waiting import stop, until

PATH = "/v1/models"


@pytest.fixture
def running(model_server: ModelServer) -> Iterator[Gateway]:
    with Gateway(model_server.address, grace_s=120) as running:
        yield running


def connect(running: Gateway, count: int) -> list[HTTPConnection]:
    clients = [HTTPConnection("127.0.0.1", running.port, timeout=120) for _ in range(count)]
    for client in clients:
        client.connect()
    return clients


def status(client: HTTPConnection) -> int:
    with client.getresponse() as response:
        response.read()
        return response.status


def polled(pid: int) -> set[int]:
    """The inodes of what the process waits for by epoll."""
    found: set[int] = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            if "eventpoll" in link.readlink().name:
                text = Path(f"/proc/{pid}/fdinfo/{link.name}").read_text()
                found |= {int(inode, 16) for inode in re.findall(r"\bino:([0-9a-f]+)", text)}
    return found


def ends_of(clients: list[HTTPConnection]) -> set[int]:
    """The inodes of the sockets that the connections lead to."""
    pairs = {tuple(f"{address[1]:04X}" for address in (c.sock.getpeername(), c.sock.getsockname())) for c in clients}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[9]) for row in rows if tuple(end.rpartition(":")[2] for end in row[1:3]) in pairs}


def is_told(pid: int, number: signal.Signals) -> bool:
    """Whether a signal waits for a process that stands still."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("ShdPnd:")[2].split()[0], 16) & 1 << (number - 1))


def test_requests_that_arrived_before_the_end_are_answered(running: Gateway) -> None:
    """On connections of both kinds: kept alive, and not accepted yet when SIGTERM comes."""
    assert running.process
    [worker] = running.workers
    kept = connect(running, 10)
    for client in kept:
        client.request("GET", PATH)
    assert [status(client) for client in kept] == [200] * len(kept)
    ends = ends_of(kept)
    assert len(ends) == len(kept)
    until(lambda: ends <= polled(worker))  # an answer is sent before its connection is kept
    stop(worker)
    clients = [*kept, *connect(running, 30)]
    for client in clients:
        client.request("GET", PATH)
    running.process.terminate()
    until(lambda: is_told(worker, signal.SIGTERM))
    os.kill(worker, signal.SIGCONT)
    assert [status(client) for client in clients] == [200] * len(clients)
    assert running.process.wait(60) == 0
    for client in clients:  # an answer that was on its way when the signal came does not say that its connection ends
        client.close()


def test_clients_that_do_not_close_hold_up_nobody(running: Gateway) -> None:
    """Thirty who are waited for one after another would take a minute."""
    last = f"GET {PATH} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n".encode()
    with ExitStack() as stack:
        for _ in range(30):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=120))
            client.sendall(last)
        assert requests.get(running.url + PATH, timeout=45).status_code == 200


def test_refused_clients_that_do_not_close_hold_up_no_exit(running: Gateway) -> None:
    """They rest before they are heard again, or wait to be: one after another they would take as long as is allowed."""
    assert running.process
    refused = f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\n".encode()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=120)) for _ in range(30)
        ]
        for client in clients:
            client.sendall(refused)
        for client in clients:
            assert client.recv(1) == b"H"
        running.process.terminate()
        assert running.process.wait(90) == 0
