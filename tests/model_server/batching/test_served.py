"""Batching by either server: batches that run only when they are full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import requests
from numpy.typing import NDArray

from model_server.tensors import decode, encode
from speech_emotion.protos import types_pb2
from tests.model_server.calls import LABELS, code_of, request
from tests.support import savedmodels
from tests.support.model_server import ModelServer
from tests.support.waiting import until

HOUR = 3600 * 10**6


def start(folder: Path, parameters: str, binary: Path | None) -> ModelServer:
    savedmodels.write_linear(folder / "m" / "1", "{}", LABELS, seed=1)
    (folder / "batching").write_text(parameters)
    (folder / "monitoring").write_text('prometheus_config { enable: true path: "/metrics" }')
    flags = ("--enable_batching=true", f"--batching_parameters_file={folder / 'batching'}")
    monitoring = f"--monitoring_config_file={folder / 'monitoring'}"
    return ModelServer(*flags, monitoring, base_path=folder / "m", name="m", rest=True, binary=binary)


@pytest.fixture(scope="module")
def full_only(binary: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """Batches of two rows, which wait for ever until they are full; one at a time."""
    parameters = (
        f"max_batch_size {{ value: 2 }} batch_timeout_micros {{ value: {HOUR} }} max_enqueued_batches {{ value: 1 }}"
    )
    with start(tmp_path_factory.mktemp("full_only"), parameters, binary) as server:
        yield server


@pytest.fixture(scope="module")
def splitting(binary: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """Batches of two rows, into which larger requests are split, and whose shapes are made equal."""
    parameters = (
        f"max_batch_size {{ value: 8 }} batch_timeout_micros {{ value: {HOUR} }} pad_variable_length_inputs: true "
        "enable_large_batch_splitting { value: true } max_execution_batch_size { value: 2 }"
    )
    with start(tmp_path_factory.mktemp("splitting"), parameters, binary) as server:
        yield server


def features(count: int, frames: int = 5, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(size=(count, frames, 4)).astype(np.float32)


def send(server: ModelServer, *inputs: NDArray[Any]) -> list[Any]:
    return [server.predictions.Predict.future(request(each), timeout=60) for each in inputs]


def assert_answers(calls: list[Any], inputs: list[NDArray[Any]]) -> None:
    for call, sent in zip(calls, inputs, strict=True):
        found = decode(call.result().outputs["probabilities"])
        np.testing.assert_allclose(found, savedmodels.linear_probabilities(sent, len(LABELS), 1), atol=1e-6)


def batches_run(server: ModelServer) -> int:
    page = requests.get(f"http://127.0.0.1:{server.rest_port}/metrics", timeout=60).text
    (line,) = (line for line in page.splitlines() if line.startswith(":tensorflow:serving:batching_session:wrapped_"))
    return int(line.split()[-1])


def test_requests_that_fill_a_batch_run_once_and_get_their_own_answers(full_only: ModelServer) -> None:
    inputs = [features(2)]
    assert_answers(send(full_only, *inputs), inputs)
    before = batches_run(full_only)
    inputs = [features(1, seed=1), features(1, seed=2)]
    assert_answers(send(full_only, *inputs), inputs)
    assert batches_run(full_only) == before + 1


def test_requests_by_both_protocols_share_a_batch(full_only: ModelServer) -> None:
    sent = features(1)
    (call,) = send(full_only, sent)
    url = f"http://127.0.0.1:{full_only.rest_port}/v1/models/m:predict"
    answer = requests.post(url, json={"instances": sent.tolist()}, timeout=60)
    assert_answers([call], [sent])
    np.testing.assert_allclose(answer.json()["predictions"], decode(call.result().outputs["probabilities"]), atol=1e-6)


def test_a_full_queue_is_unavailable_and_a_request_that_fits_is_answered(full_only: ModelServer) -> None:
    inputs = [features(1)]
    calls = send(full_only, *inputs)
    refusals: list[grpc.Call] = []

    def refused() -> bool:
        (call,) = send(full_only, features(2))
        refusals.append(call)
        return call.code() is not grpc.StatusCode.OK  # until the first request has arrived

    until(refused)
    assert (refusals[-1].code(), refusals[-1].details()) == (
        grpc.StatusCode.UNAVAILABLE,
        "The batch scheduling queue to which this task was submitted is full; "
        "currently 1 batches enqueued and max_enqueued_batches is 1",
    )
    inputs.append(features(1, seed=3))
    assert_answers(calls + send(full_only, inputs[1]), inputs)


def test_a_full_queue_is_503_by_rest(full_only: ModelServer) -> None:
    calls = send(full_only, features(1))
    url = f"http://127.0.0.1:{full_only.rest_port}/v1/models/m:predict"

    def refused() -> bool:
        if calls[-1].done():  # it filled a batch that was begun before, or says why it failed
            assert_answers(calls[-1:], [features(1)])
            calls.extend(send(full_only, features(1)))
        return requests.post(url, json={"instances": features(2).tolist()}, timeout=60).status_code == 503

    until(refused)
    assert_answers(calls + send(full_only, features(1)), [features(1)] * (len(calls) + 1))


def test_a_request_above_the_maximum_is_refused(full_only: ModelServer) -> None:
    (call,) = send(full_only, features(3))
    assert (call.code().name, call.details()) == (
        "INVALID_ARGUMENT",
        "Task size 3 is larger than maximum input batch size 2",
    )


def test_different_frame_counts_fail_every_request_of_a_batch(full_only: ModelServer) -> None:
    for call in send(full_only, features(1), features(1, frames=6)):
        assert call.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert call.details().startswith("Tensors with name 'serving_default_features:0' from different tasks have")


def test_a_wrong_type_fails_by_itself_and_in_the_real_server_with_its_batch(
    full_only: ModelServer, binary: Path | None
) -> None:
    wrong = request(features(1))
    wrong.inputs["features"].Clear()
    encode(features(1), types_pb2.DT_DOUBLE, wrong.inputs["features"])
    (good,) = send(full_only, features(1))
    code, _ = code_of(lambda: full_only.predictions.Predict(wrong, timeout=60))
    if binary is None:
        assert code == "INVALID_ARGUMENT"
        assert_answers([good, *send(full_only, features(1))], [features(1)] * 2)
    else:
        assert (code, good.code().name) == ("INTERNAL", "INTERNAL")


def test_a_request_without_rows_is_answered_at_once_and_hangs_in_the_real_server(
    full_only: ModelServer, binary: Path | None
) -> None:
    empty = request(features(0))
    if binary is None:
        answer = full_only.predictions.Predict(empty, timeout=60)
        assert decode(answer.outputs["probabilities"]).shape == (0, 3)
    else:
        assert code_of(lambda: full_only.predictions.Predict(empty, timeout=1))[0] == "DEADLINE_EXCEEDED"


def test_a_large_request_is_split_over_batches(splitting: ModelServer) -> None:
    inputs = [features(6)]
    assert_answers(send(splitting, *inputs), inputs)


def test_shapes_are_made_equal_with_each_request_s_first_value(splitting: ModelServer) -> None:
    short, long = features(1, frames=3), features(1, frames=5, seed=1)
    continued = np.full((1, 5, 4), short[0, 0, 0], np.float32)
    continued[:, :3] = short
    assert_answers(send(splitting, short, long), [continued, long])


def test_parameters_that_contradict_end_the_start(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "batching"
    file.write_text("allowed_batch_sizes: 4")
    flags = ("--enable_batching", f"--batching_parameters_file={file}")
    server = ModelServer(*flags, base_path=store, name="m").start(wait=False)
    with server:
        assert server.process is not None
        assert server.process.wait(60) == 255
        assert "Last entry in allowed_batch_sizes must match max_batch_size; last entry was 4" in server.log
