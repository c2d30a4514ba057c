"""Calls to the real process: limits, refusals, a configuration by call."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import requests
from tensorflow_serving.apis import classification_pb2

from model_server.tensors import decode
from speech_emotion.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_server_config_pb2,
    predict_pb2,
)
from tests.model_server.calls import FEATURES, LABELS, answering_seed, code_of, config, request, until, write
from tests.support import savedmodels
from tests.support.model_server import ModelServer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelServer, Path]]:
    folder = tmp_path_factory.mktemp("served")
    for name in ("m", "slow"):
        (folder / name).mkdir()
    write(folder / "m", 1)
    savedmodels.write_slow(folder / "slow" / "1", "{}", LABELS, seconds=3)
    with ModelServer("--grpc_max_threads=2", base_path=folder / "m", name="m", rest=True) as server:
        yield server, folder


def test_reload_by_call_waits_for_new_models_and_refuses_with_the_same_words(
    served: tuple[ModelServer, Path],
) -> None:
    server, folder = served
    wanted = config(folder / "m")
    slow = str(folder / "slow")
    wanted.model_config_list.config.add(name="slow", base_path=slow, model_platform="tensorflow")
    server.reload(wanted)
    assert set(server.states("slow")) == {1}
    assert code_of(lambda: server.reload(config(folder / "m", stable=9))) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 9 of model m, which is not currently available for inference",
    )
    assert code_of(lambda: server.reload(model_server_config_pb2.ModelServerConfig()))[0] == "INVALID_ARGUMENT"
    assert answering_seed(server) == 1
    server.reload(wanted)


def test_calls_beyond_the_threads_are_refused_at_once(served: tuple[ModelServer, Path]) -> None:
    server, folder = served
    wanted = config(folder / "m")
    wanted.model_config_list.config.add(name="slow", base_path=str(folder / "slow"), model_platform="tensorflow")
    server.reload(wanted)
    calls = [server.predictions.Predict.future(request(name="slow"), timeout=60) for _ in range(3)]
    assert sorted(call.code().name for call in calls) == ["OK", "OK", "RESOURCE_EXHAUSTED"]
    (refused,) = (call for call in calls if call.code() is not grpc.StatusCode.OK)
    assert refused.details() == "Server Threadpool Exhausted"
    assert answering_seed(server) == 1


def test_calls_by_rest_share_the_places_and_wait_for_one(served: tuple[ModelServer, Path]) -> None:
    server, folder = served
    wanted = config(folder / "m")
    wanted.model_config_list.config.add(name="slow", base_path=str(folder / "slow"), model_platform="tensorflow")
    server.reload(wanted)
    url = f"http://127.0.0.1:{server.rest_port}/v1/models/slow"

    def predict(_: int) -> int:
        return requests.post(f"{url}:predict", json={"instances": [[[1.0], [2.0]]]}, timeout=60).status_code

    with ThreadPoolExecutor(3) as pool:
        calls = [pool.submit(predict, n) for n in range(3)]  # for two places: the third waits
        until(lambda: refused(server))
        assert requests.get(url, timeout=60).status_code == 200, "states are told while every place is taken"
        assert [call.result() for call in calls] == [200, 200, 200]


def refused(server: ModelServer) -> bool:
    try:
        server.predictions.Predict(request(), timeout=30)
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return False


def test_what_is_not_built_is_unimplemented(served: tuple[ModelServer, Path]) -> None:
    server, _ = served
    call = classification_pb2.ClassificationRequest()
    assert code_of(lambda: server.predictions.Classify(call, timeout=30))[0] == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("service", "rpc", "message"),
    [
        ("predictions", "Predict", predict_pb2.PredictRequest()),
        ("predictions", "GetModelMetadata", get_model_metadata_pb2.GetModelMetadataRequest()),
        ("models", "GetModelStatus", get_model_status_pb2.GetModelStatusRequest()),
    ],
)
def test_a_call_to_no_model_is_refused(served: tuple[ModelServer, Path], service: str, rpc: str, message: Any) -> None:
    call = getattr(getattr(served[0], service), rpc)
    assert code_of(lambda: call(message, timeout=30)) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_messages_beyond_four_megabytes_are_taken(served: tuple[ModelServer, Path]) -> None:
    large = np.zeros((4, 1000, 400), np.float32)
    answer = served[0].predictions.Predict(request(large), timeout=30)
    assert decode(answer.outputs["probabilities"]).shape == (4, 3)


def test_a_bad_call_leaves_no_trace_in_the_log(served: tuple[ModelServer, Path]) -> None:
    server, _ = served
    before = server.log
    assert code_of(lambda: server.predictions.Predict(request(FEATURES[0]), timeout=30))[0] == "INVALID_ARGUMENT"
    assert server.log == before
