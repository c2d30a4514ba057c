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
from speech_emotion.store.config import parse_config
from tests.model_server.calls import FEATURES, LABELS, answering_seed, code_of, config, ours, request, write
from tests.support import savedmodels
from tests.support.model_server import AVAILABLE, ModelServer
from tests.support.waiting import until


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NAME PATH PLATFORM } config { NAME PATH PLATFORM", "Illegal to list model m multiple times in config list"),
        ("NAME base_path: 'm' PLATFORM", "Expected model m to have an absolute path or URI; got base_path()=m"),
        ("NAME PATH", "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::"),
        ("NAME PATH PLATFORM model_type: TENSORFLOW", "Illegal setting both ModelServerConfig::model_type (deprecated"),
        ("name: 'other' PATH model_platform: 'other'", "Model other requests unsupported platform other"),
    ],
)
def test_a_configuration_that_cannot_be_served_is_refused(
    served: tuple[ModelServer, Path], text: str, message: str
) -> None:
    server, folder = served
    words = {"NAME": "name: 'm'", "PATH": f"base_path: '{folder / 'm'}'", "PLATFORM": "model_platform: 'tensorflow'"}
    for word, field in words.items():
        text = text.replace(word, field)
    code, found = code_of(lambda: server.reload(parse_config(f"model_config_list {{ config {{ {text} }} }}")))
    assert (code, message in found) == ("INVALID_ARGUMENT", True), found
    assert answering_seed(server) == 1


def test_a_policy_says_which_versions_are_served(binary: Path | None, store: Path) -> None:
    for version in (2, 3):
        write(store, version)
    with ModelServer(base_path=store, name="m", binary=binary) as server:
        for policy, wanted in (
            ("latest {}", {3}),
            ("latest { num_versions: 2 }", {2, 3}),
            ("specific { versions: 1 versions: 3 versions: 9 }", {1, 3}),
            ("all {}", {1, 2, 3}),
        ):
            server.reload(config(store, policy))
            until(lambda: {n for n, state in server.states().items() if state == AVAILABLE} == wanted)  # noqa: B023
        assert answering_seed(server) == 3


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
