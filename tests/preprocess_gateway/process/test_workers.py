"""Several workers of one gateway: what they share, and which limits hold for all of them together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from preprocess_gateway.settings import MAX_DEFAULT_WORKERS, Settings
from speech_emotion.cpus import cpu_count
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from tests.support.ports import connections
from tests.support.unsent import invited
from tests.support.waiting import until

MOST_PRIVATE_KB = 150 * 1024
WAV = {"Content-Type": "audio/wav"}
MANY = 8  # new connections, of which each worker very probably gets some


@pytest.fixture
def two(model_server: ModelServer) -> Iterator[Gateway]:
    with Gateway(model_server.address, workers=2, max_recordings=1, read_timeout_s=300) as running:
        until(lambda: len(running.workers) == 2)
        yield running


def record(running: Gateway) -> int:
    """The status of a recording on a connection of its own."""
    return requests.post(f"{running.url}/v1/recordings", data=clips.tone(), headers=WAV, timeout=60).status_code


def test_there_are_as_many_workers_as_cpus_up_to_a_few() -> None:
    assert Settings().worker_count == min(cpu_count(), MAX_DEFAULT_WORKERS)
    assert Settings(workers=7).worker_count == 7


def test_a_limit_holds_for_all_workers_and_a_killed_worker_gives_back_what_it_had(two: Gateway) -> None:
    with invited(two.port, "/v1/recordings", 100_000) as holding:
        holding.sendall(bytes(1000))
        assert {record(two) for _ in range(MANY)} == {503}
        for worker in two.workers:
            os.kill(worker, signal.SIGKILL)
        until(lambda: answers(two))


def answers(running: Gateway) -> bool:
    try:
        return record(running) == 200
    except (requests.ConnectionError, requests.Timeout):  # no worker has taken the place of the killed ones yet
        return False


def test_workers_share_what_was_imported_and_nothing_that_does_not_survive_a_fork(two: Gateway) -> None:
    assert {two.predict(clips.tone()).status_code for _ in range(MANY)} == {200}
    assert two.process
    threads = list(Path(f"/proc/{two.process.pid}/task").iterdir())
    assert len(threads) == 1  # a thread of a library would be lost to the workers
    for worker in two.workers:
        rollup = Path(f"/proc/{worker}/smaps_rollup").read_text()
        private = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_")]
        assert sum(private) < MOST_PRIVATE_KB


def test_connections_that_are_kept_alive_are_spread_over_the_workers(two: Gateway) -> None:
    with ExitStack() as kept:
        for _ in range(2 * MANY):
            session = kept.enter_context(requests.Session())
            assert session.post(f"{two.url}/predict", data=clips.tone(), headers=WAV, timeout=60).status_code == 200
        counts = sorted(connections(two.port, worker) for worker in two.workers)
    assert sum(counts) == 2 * MANY
    assert counts[0] >= MANY - 2, "a worker that waits for a core may be a little late"
