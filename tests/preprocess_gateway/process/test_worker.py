"""Connections of a real gunicorn's worker: none holds up others, none that has sent a request is cut off."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

import pytest
import requests

from tests.support.gateway import Gateway
from tests.support.memory import family
from tests.support.model_server import ModelServer

PATH = "/v1/models"


@pytest.fixture
def running(model_server: ModelServer) -> Iterator[Gateway]:
    with Gateway(model_server.address) as running:
        yield running


def connect(running: Gateway, count: int) -> list[HTTPConnection]:
    clients = [HTTPConnection("127.0.0.1", running.port, timeout=30) for _ in range(count)]
    for client in clients:
        client.connect()
    return clients


def status(client: HTTPConnection) -> int:
    with client.getresponse() as response:
        response.read()
        return response.status


def test_requests_that_arrived_before_the_end_are_answered(running: Gateway) -> None:
    """On connections of both kinds: kept alive, and not accepted yet when SIGTERM comes."""
    assert running.process
    _arbiter, worker, *_ = family(running.process.pid)
    kept = connect(running, 10)
    for client in kept:
        client.request("GET", PATH)
    assert [status(client) for client in kept] == [200] * len(kept)
    time.sleep(1)  # an answer is sent before its connection is kept
    os.kill(worker, signal.SIGSTOP)
    clients = [*kept, *connect(running, 30)]
    for client in clients:
        client.request("GET", PATH)
    running.process.terminate()
    time.sleep(1)  # until the arbiter has told its worker
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
            client = stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=30))
            client.sendall(last)
        assert requests.get(running.url + PATH, timeout=60).status_code == 200


def test_refused_clients_that_do_not_close_hold_up_no_exit(running: Gateway) -> None:
    """They rest before they are heard again, or wait to be: one after another they would take as long as is allowed."""
    assert running.process
    refused = f"POST {PATH} HTTP/1.1\r\nHost: gateway\r\nContent-Length: 1000\r\n\r\n".encode()
    with ExitStack() as stack:
        clients = [
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=30)) for _ in range(30)
        ]
        for client in clients:
            client.sendall(refused)
        for client in clients:
            assert client.recv(1) == b"H"
        running.process.terminate()
        assert running.process.wait(25) == 0
