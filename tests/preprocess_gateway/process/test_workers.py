"""Several workers of one gateway: what they share, and which limits hold for all of them together."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from preprocess_gateway.settings import MAX_DEFAULT_WORKERS, Settings
from speech_emotion.cpus import cpu_count
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.memory import family
from tests.support.model_server import ModelServer

MOST_PRIVATE_KB = 150 * 1024
MANY = 8  # new connections, of which each worker very probably gets some


@pytest.fixture
def two(model_server: ModelServer) -> Iterator[Gateway]:
    with Gateway(model_server.address, workers=2, max_recordings=1, read_timeout_s=300) as running:
        until(lambda: len(workers(running)) == 2)
        yield running


def workers(running: Gateway) -> list[int]:
    """The processes that listen, without the one that forked them."""
    assert running.process
    arbiter, *others = family(running.process.pid)
    return [pid for pid in others if f"PPid:\t{arbiter}\n" in Path(f"/proc/{pid}/status").read_text()]


def until(happens: Callable[[], bool], within_s: float = 90.0) -> None:
    deadline = time.monotonic() + within_s
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def record(running: Gateway) -> int:
    """The status of a recording on a connection of its own."""
    headers = {"Content-Type": "audio/wav"}
    return requests.post(f"{running.url}/v1/recordings", data=clips.tone(), headers=headers, timeout=30).status_code


def test_there_are_as_many_workers_as_cpus_up_to_a_few() -> None:
    assert Settings().worker_count == min(cpu_count(), MAX_DEFAULT_WORKERS)
    assert Settings(workers=7).worker_count == 7


def test_a_limit_holds_for_all_workers_and_a_killed_worker_gives_back_what_it_had(two: Gateway) -> None:
    head = b"POST /v1/recordings HTTP/1.1\r\nHost: g\r\nContent-Type: audio/wav\r\nContent-Length: 100000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", two.port), timeout=30) as holding:
        holding.sendall(head + bytes(1000))
        until(lambda: record(two) == 503)
        assert {record(two) for _ in range(MANY)} == {503}
        for worker in workers(two):
            os.kill(worker, signal.SIGKILL)
        until(lambda: answers(two))


def answers(running: Gateway) -> bool:
    try:
        return record(running) == 200
    except requests.ConnectionError:  # no worker has taken the place of the killed ones yet
        return False


def test_workers_share_what_was_imported_and_nothing_that_does_not_survive_a_fork(two: Gateway) -> None:
    assert {two.predict(clips.tone()).status_code for _ in range(MANY)} == {200}
    assert two.process
    threads = list(Path(f"/proc/{two.process.pid}/task").iterdir())
    assert len(threads) == 1  # a thread of a library would be lost to the workers
    for worker in workers(two):
        rollup = Path(f"/proc/{worker}/smaps_rollup").read_text()
        private = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")]
        assert sum(private) < MOST_PRIVATE_KB
