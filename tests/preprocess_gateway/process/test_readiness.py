"""Which worker answers while not every worker of a gateway knows its models."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from preprocess_gateway.process import readiness
from preprocess_gateway.process.readiness import Readiness
from preprocess_gateway.quotas import Ledger
from tests.support.gateway import Gateway
from tests.support.memory import family
from tests.support.model_server import ModelServer
from tests.support.waiting import stop, until

MANY = 8
Run = Callable[..., "Late"]


@dataclass
class Late:
    """A gateway of two workers; those that are late know no model before `end_fault`."""

    gateway: Gateway
    _until: Path

    def end_fault(self) -> None:
        self._until.touch()

    def ask(self) -> requests.Response:
        """A request for the default model, on a connection of its own."""
        return requests.get(f"{self.gateway.url}/v1/models", timeout=60)

    def probe(self) -> set[int]:
        """What `/readyz` answers, on enough connections for each worker to get some."""
        return {requests.get(f"{self.gateway.probes}/readyz", timeout=60).status_code for _ in range(2 * MANY)}

    @contextmanager
    def stopped(self, *pids: int) -> Iterator[None]:
        """These workers stand still meanwhile, so that only others can take a connection."""
        for pid in pids:
            stop(pid)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def asked_while_stopped(self, *pids: int) -> int:
        """The status of a request that is sent while these workers stand still; another has a second to answer it."""
        statuses: list[int] = []
        asking = threading.Thread(target=lambda: statuses.append(self.ask().status_code))
        with self.stopped(*pids):
            asking.start()
            asking.join(1.0)
        asking.join(60)
        return statuses[0]


@pytest.fixture
def run(model_server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Late]]:
    """Start a gateway whose workers of these ages are late."""
    running: list[Gateway] = []

    def start(ages: str, late_s: float = 0, *, wait: bool = True, drain_s: int = 0) -> Late:
        variables = {"LATE_WORKERS": ages, "LATE_UNTIL": str(tmp_path / "until"), "LATE_S": str(late_s)}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        gateway = Gateway(
            model_server.address,
            config="tests.support.late_workers",
            workers=2,
            drain_s=drain_s,
            metrics_dir=tmp_path / "metrics",
        )
        running.append(gateway.start(wait=wait))
        until(lambda: len(gateway.workers) == 2)
        return Late(gateway, tmp_path / "until")

    yield start
    for gateway in running:
        if gateway.process and gateway.process.poll() is None:  # a drain would take its time
            for pid in family(gateway.process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            gateway.process.wait()
        gateway.stop()


def test_a_worker_that_knows_no_model_leaves_connections_to_one_that_does(run: Run) -> None:
    late = run("2")
    first, _second = late.gateway.workers
    assert late.probe() == {200}
    assert late.asked_while_stopped(first) == 200
    late.end_fault()
    with late.stopped(first):
        assert late.ask().status_code == 200  # by the second


def test_a_worker_in_the_place_of_a_killed_one_takes_no_connection_before_it_knows_its_model(run: Run) -> None:
    late = run("3")
    first, second = late.gateway.workers
    os.kill(second, signal.SIGKILL)
    until(lambda: len({*late.gateway.workers} - {second}) == 2)
    assert late.asked_while_stopped(first) == 200
    assert late.probe() == {200}
    os.kill(first, signal.SIGKILL)  # of two that know nothing yet, each answers
    until(lambda: refused(late))


def test_after_hup_the_old_workers_answer_until_a_new_one_knows_its_model(run: Run) -> None:
    late = run("3,4", drain_s=100)
    old = late.gateway.workers
    assert late.gateway.process
    late.gateway.process.send_signal(signal.SIGHUP)
    until(lambda: late.gateway.probed == 4)
    until(lambda: late.probe() == {503})
    assert late.asked_while_stopped(*old) == 200
    late.end_fault()
    until(lambda: late.probe() == {200})  # those that leave say so of the gateway too
    with late.stopped(*old):
        assert late.ask().status_code == 200
    for pid in old:
        os.kill(pid, signal.SIGKILL)


def test_where_no_worker_knows_a_model_each_refuses_and_asks_its_clients_to_come_back(run: Run) -> None:
    late = run("1,2", wait=False)
    first, second = late.gateway.workers
    until(lambda: refused(late))
    for one in (first, second):
        with late.stopped(one):
            answer = late.ask()
        assert (answer.status_code, answer.json()["code"]) == (503, "model_unavailable")
        assert answer.headers["Connection"] == "close"
    assert late.probe() == {503}
    late.end_fault()
    until(lambda: late.probe() == {200})
    assert {late.ask().status_code for _ in range(MANY)} == {200}
    assert late.ask().headers["Connection"] != "close"


def refused(late: Late) -> bool:
    try:
        return late.ask().status_code == 503
    except requests.ConnectionError:  # not there yet
        return False


def test_a_worker_that_still_waits_for_its_first_answer_ends_on_sigterm(run: Run) -> None:
    late = run("1,2", late_s=600, wait=False)
    late.gateway.wait_for(503)
    assert late.gateway.process
    late.gateway.process.terminate()
    assert late.gateway.process.wait(90) == 0
    assert late.gateway.log.count("Worker exiting") == 2  # one that takes too long is killed, and says nothing


def test_a_worker_that_is_stopped_before_it_can_drain_serves_no_probes(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at once, so whoever had connected to it would be disconnected."""
    monkeypatch.setenv("LATE_SIGNALS", str(tmp_path / "found"))
    late = run("", wait=False)
    assert late.gateway.process
    until(lambda: (tmp_path / "found").exists() and (tmp_path / "found").read_text())
    assert (tmp_path / "found").read_text() == "[0, 0] False"


@dataclass
class Model:
    """A model that has described itself, or has not yet."""

    ready: bool = False


class Models(list[Model]):
    """Stands for ServedModels: a default model and a further one."""

    def __init__(self) -> None:
        super().__init__([Model(), Model()])
        self.default, self.further = self
        self.asked = False


class Pair:
    """Two workers, which share a ledger."""

    def __init__(self) -> None:
        self.ledger = Ledger(2)
        self.models = [Models(), Models()]
        self.workers = [Readiness(self.ledger, each) for each in self.models]  # type: ignore[arg-type]

    def take_connections(self) -> list[bool]:
        """Which workers do, after each has looked."""
        for row, worker in enumerate(self.workers):
            self.ledger.row = row
            worker.look()
        return [worker.takes_connections for worker in self.workers]


def test_a_worker_waits_for_its_first_answer_and_then_for_what_another_one_knows() -> None:
    pair = Pair()
    one, other = pair.models
    assert pair.take_connections() == [False, False]
    one.asked = other.asked = True  # with whatever outcome
    assert pair.take_connections() == [True, True]
    one.default.ready = True
    assert pair.take_connections() == [True, False]
    other.default.ready = other.further.ready = True
    assert pair.take_connections() == [False, True]
    one.further.ready = True
    assert pair.take_connections() == [True, True]


def test_a_worker_without_the_default_model_leaves_connections_to_one_that_knows_no_other() -> None:
    pair = Pair()
    one, other = pair.models
    one.asked = other.asked = True
    one.further.ready = True
    assert pair.take_connections() == [True, False]
    other.default.ready = True
    assert pair.take_connections() == [False, True]
    one.default.ready = True
    assert pair.take_connections() == [True, False]


def test_a_worker_waits_for_further_models_and_for_a_model_server_that_hangs_only_so_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = Pair()
    one, other = pair.models
    one.default.ready = one.further.ready = other.default.ready = one.asked = True
    assert pair.take_connections() == [True, False]
    monkeypatch.setattr(readiness, "WAIT_S", -1)
    assert pair.take_connections() == [True, True]
    other.default.ready = False  # without its default model it still leaves connections to a worker that has it
    assert pair.take_connections() == [True, False]
    pair.ledger.release(0)  # as the arbiter does once a worker has ended
    assert pair.workers[1].takes_connections


def test_a_gateway_is_ready_while_a_worker_that_stays_knows_the_default_model() -> None:
    pair = Pair()
    one, other = pair.models
    one.further.ready = True
    pair.take_connections()
    assert not pair.workers[1].gateway_ready
    one.default.ready = True
    pair.take_connections()
    assert [worker.gateway_ready for worker in pair.workers] == [True, True]
    pair.ledger.row = 0
    pair.workers[0].leave()
    assert [worker.gateway_ready for worker in pair.workers] == [False, False]
    other.asked = other.default.ready = True
    assert pair.take_connections() == [True, False]  # the one that leaves knows more, until it ends
    assert [worker.gateway_ready for worker in pair.workers] == [True, True]
    pair.ledger.row = 0
    pair.workers[0].end()
    assert pair.workers[1].takes_connections


def test_a_worker_has_more_connections_than_another_only_while_that_one_takes_some() -> None:
    pair = Pair()
    one, other = pair.models
    one.asked = other.asked = True
    assert pair.take_connections() == [True, True]

    def have_more(*counts: int) -> list[bool]:
        for row, (worker, count) in enumerate(zip(pair.workers, counts, strict=True)):
            pair.ledger.row = row
            worker.count(count)
        return [worker.has_more_than_another(count) for worker, count in zip(pair.workers, counts, strict=True)]

    assert have_more(3, 3) == [False, False]
    assert have_more(0, 1) == [False, True]
    one.default.ready = True
    assert pair.take_connections() == [True, False]
    assert have_more(5, 0) == [False, False]
    other.default.ready = True
    assert pair.take_connections() == [True, True]
    assert have_more(5, 0) == [True, False]
    pair.workers[1].end()
    assert not pair.workers[0].has_more_than_another(5)
