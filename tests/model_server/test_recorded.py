"""Every call that was recorded from the real server gets the same answer, code and message here.

With MODEL_SERVER=host:port the calls go to that server instead (a real one, say), which must serve the
demo models under the configuration of `recorded_config`.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, text_format

from speech_emotion.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_server_config_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tests.support.model_server import REPOSITORY, ModelServer

RECORDINGS = Path(os.environ.get("TF_SERVING_RECORDINGS", REPOSITORY.parent / "shared" / "tf_serving"))
CALLS = json.loads((RECORDINGS / "grpc.json").read_text()) if (RECORDINGS / "grpc.json").is_file() else []
MESSAGES = {
    "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse),
    "GetModelMetadata": (
        get_model_metadata_pb2.GetModelMetadataRequest,
        get_model_metadata_pb2.GetModelMetadataResponse,
    ),
    "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, get_model_status_pb2.GetModelStatusResponse),
}
# Which node failed, and inside which function, is the graph's own affair.
NODE = re.compile(r"\[\[.*?\]\]$", re.DOTALL)

pytestmark = pytest.mark.skipif(not CALLS, reason=f"no recordings at {RECORDINGS} (TF_SERVING_RECORDINGS)")


def recorded_config(models: Path) -> model_server_config_pb2.ModelServerConfig:
    """The configuration under which the calls were recorded."""
    config = model_server_config_pb2.ModelServerConfig()
    demo = config.model_config_list.config.add(name="demo", base_path=str(models), model_platform="tensorflow")
    demo.model_version_policy.all.SetInParent()
    demo.version_labels["stable"] = 2
    demo.version_labels["canary"] = 3
    config.model_config_list.config.add(name="latest", base_path=str(models), model_platform="tensorflow")
    return config


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    if address := os.environ.get("MODEL_SERVER"):
        with grpc.insecure_channel(address) as outside:
            yield outside
        return
    file = tmp_path_factory.mktemp("recorded") / "models.config"
    file.write_text(text_format.MessageToString(recorded_config((RECORDINGS / "models" / "demo").resolve())))
    flag = "--allow_version_labels_for_unavailable_models=true"
    with ModelServer(flag, config_file=file, name="demo") as server:
        for version in (1, 2, 3):
            server.wait_for_version(version)
        yield server.channel


def call(channel: grpc.Channel, rpc: str, request: Any) -> Any:
    service = model_service_pb2_grpc.ModelServiceStub if rpc == "GetModelStatus" else None
    stub = (service or prediction_service_pb2_grpc.PredictionServiceStub)(channel)
    return getattr(stub, rpc)(request, timeout=60)


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Equal as JSON, floating-point numbers up to float32 rounding; order matters in lists only."""
    if isinstance(expected, dict):
        assert isinstance(found, dict), where
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_same(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(found, list), where
        assert len(found) == len(expected), where
        for index, value in enumerate(expected):
            assert_same(found[index], value, f"{where}[{index}]")
    elif isinstance(expected, float):
        assert math.isclose(found, expected, rel_tol=1e-5, abs_tol=1e-6), f"{where}: {found} != {expected}"
    else:
        assert found == expected, f"{where}: {found!r} != {expected!r}"


@pytest.mark.parametrize("recorded", CALLS, ids=[f"{each['rpc']}: {each['case']}" for each in CALLS])
def test_call_is_answered_as_recorded(channel: grpc.Channel, recorded: dict[str, Any]) -> None:
    request_type, response_type = MESSAGES[recorded["rpc"]]
    request = json_format.ParseDict(recorded["request"], request_type())
    if "error" in recorded:
        with pytest.raises(grpc.RpcError) as refused:
            call(channel, recorded["rpc"], request)
        assert refused.value.code().name == recorded["error"]["code"]
        assert NODE.sub("[[]]", refused.value.details()) == NODE.sub("[[]]", recorded["error"]["message"])
        return
    # Through the message type, so that both sides print defaults and defaults only in one way.
    expected = json_format.MessageToDict(json_format.ParseDict(recorded["response"], response_type()))
    assert_same(json_format.MessageToDict(call(channel, recorded["rpc"], request)), expected)
