"""What either server does with more calls than it has threads, and what its health service says meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import requests
from google.protobuf import text_format
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.model_server.calls import LABELS, code_of, config, request, write
from tests.support import savedmodels
from tests.support.model_server import ModelServer
from tests.support.waiting import until

FULL = ("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted")
PLACES = 2


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that calls of the model `slow` wait for."""
    return tmp_path_factory.mktemp("gate") / "opened"


@pytest.fixture(autouse=True)
def shut(opened: Path) -> None:
    opened.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def server(binary: Path | None, opened: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """`m` and the model `slow`, by PLACES threads and one that waits for calls."""
    folder = tmp_path_factory.mktemp("limited")
    (folder / "m").mkdir()
    write(folder / "m", 1)
    savedmodels.write_slow(folder / "slow" / "1", "{}", LABELS, seconds=100, gate=opened)
    wanted = config(folder / "m")
    wanted.model_config_list.config.add(name="slow", base_path=str(folder / "slow"), model_platform="tensorflow")
    file = folder / "models.config"
    file.write_text(text_format.MessageToString(wanted))
    flags = (f"--grpc_max_threads={PLACES + 1}", "--rest_api_num_threads=2", "--enable_grpc_healthcheck_service=true")
    with ModelServer(*flags, config_file=file, name="m", rest=True, binary=binary) as started:
        started.wait_for_version(1, name="slow")
        yield started


def slow_calls(server: ModelServer, count: int) -> list[Any]:
    return [server.predictions.Predict.future(request(name="slow"), timeout=60) for _ in range(count)]


def fill(server: ModelServer) -> list[Any]:
    """Calls that hold every place. The thread of an earlier call may still hold one: whoever is refused asks again."""
    calls: list[Any] = []

    def full() -> bool:
        calls[:] = [call for call in calls if not call.done()]
        calls.extend(slow_calls(server, PLACES - len(calls)))
        # One connection keeps the order: once this call is refused, the others have a place or were refused.
        try:
            server.states("m")
        except grpc.RpcError as error:
            return error.details() == FULL[1] and not any(call.done() for call in calls)
        return False

    until(full)
    return calls


def check(server: ModelServer, service: str) -> Any:
    stub = health_pb2_grpc.HealthStub(server.channel)
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)


def test_one_thread_waits_and_calls_beyond_the_others_are_refused_at_once(server: ModelServer, opened: Path) -> None:
    calls = slow_calls(server, PLACES + 3)
    until(lambda: sum(call.done() for call in calls) == 3)
    opened.touch()
    assert sorted(call.code().name for call in calls) == ["OK"] * PLACES + ["RESOURCE_EXHAUSTED"] * 3
    assert {call.details() for call in calls if call.code() is not grpc.StatusCode.OK} == {FULL[1]}


def test_calls_by_rest_have_threads_of_their_own(server: ModelServer, opened: Path) -> None:
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/m"
    calls = fill(server)
    assert code_of(lambda: server.states("m")) == FULL
    assert requests.get(url, timeout=60).status_code == 200
    with ThreadPoolExecutor(1) as pool:  # its graph may have to wait for a core
        answer = pool.submit(requests.post, f"{url}:predict", json={"instances": [[[1.0], [2.0]]]}, timeout=60)
        opened.touch()
        assert answer.result().status_code == 200
    assert [call.code().name for call in calls] == ["OK"] * PLACES


def test_calls_by_rest_beyond_its_threads_wait(server: ModelServer, opened: Path) -> None:
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/slow:predict"

    def predict(_: int) -> int:
        return requests.post(url, json={"instances": [[[1.0], [2.0]]]}, timeout=60).status_code

    def none_is_free() -> bool:
        try:
            requests.get(url.removesuffix(":predict"), timeout=1)
        except requests.Timeout:
            return True
        return False

    with ThreadPoolExecutor(3) as pool:
        answers = pool.map(predict, range(3))
        until(none_is_free)
        opened.touch()
        assert list(answers) == [200] * 3


def test_health_is_told_while_every_thread_works(server: ModelServer, opened: Path) -> None:
    calls = fill(server)
    assert check(server, "").status == health_pb2.HealthCheckResponse.SERVING
    opened.touch()
    assert [call.code().name for call in calls] == ["OK"] * PLACES


@pytest.mark.parametrize("service", ["", "ModelService", "PredictionService"])
def test_both_services_are_serving(server: ModelServer, service: str) -> None:
    assert check(server, service).status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("service", ["x", "tensorflow.serving.PredictionService"])
def test_other_services_are_unknown(server: ModelServer, service: str) -> None:
    assert code_of(lambda: check(server, service))[0] == "NOT_FOUND"
    watched = health_pb2_grpc.HealthStub(server.channel).Watch(health_pb2.HealthCheckRequest(service=service))
    assert next(iter(watched)).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watched.cancel()
