"""Calls to either server: refusals, a configuration by call."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import classification_pb2, inference_pb2, regression_pb2

from model_server.tensors import decode
from speech_emotion.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_server_config_pb2,
    predict_pb2,
)
from tests.model_server.calls import FEATURES, LABELS, answering_seed, code_of, config, ours, request, write
from tests.support import savedmodels
from tests.support.model_server import ModelServer


@pytest.fixture(scope="module")
def served(binary: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelServer, Path]]:
    folder = tmp_path_factory.mktemp("served")
    for name in ("m", "slow"):
        (folder / name).mkdir()
    write(folder / "m", 1)
    savedmodels.write_slow(folder / "slow" / "1", "{}", LABELS, seconds=3)
    with ModelServer(base_path=folder / "m", name="m", binary=binary) as server:
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


@ours
@pytest.mark.parametrize(
    ("rpc", "message"),
    [
        ("Classify", classification_pb2.ClassificationRequest()),
        ("Regress", regression_pb2.RegressionRequest()),
        ("MultiInference", inference_pb2.MultiInferenceRequest()),
    ],
)
def test_what_is_not_built_names_the_server_that_has_it(
    served: tuple[ModelServer, Path], rpc: str, message: Any
) -> None:
    call = getattr(served[0].predictions, rpc)
    code, sentence = code_of(lambda: call(message, timeout=30))
    assert code == "UNIMPLEMENTED"
    assert "use TensorFlow Serving (tensorflow/serving)" in sentence


def test_health_is_not_served_without_its_flag(served: tuple[ModelServer, Path]) -> None:
    health = health_pb2_grpc.HealthStub(served[0].channel)
    assert code_of(lambda: health.Check(health_pb2.HealthCheckRequest(), timeout=30))[0] == "UNIMPLEMENTED"


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


@ours
def test_a_bad_call_leaves_no_trace_in_the_log(served: tuple[ModelServer, Path]) -> None:
    server, _ = served
    before = server.log
    assert code_of(lambda: server.predictions.Predict(request(FEATURES[0]), timeout=30))[0] == "INVALID_ARGUMENT"
    assert server.log == before
