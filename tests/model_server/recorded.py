"""What was recorded from the real server, the configuration it ran under, and how answers are compared."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, text_format

from speech_emotion.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_server_config_pb2,
    predict_pb2,
)
from tests.support.model_server import REPOSITORY, ModelServer

RECORDINGS = Path(os.environ.get("TF_SERVING_RECORDINGS", REPOSITORY.parent / "shared" / "tf_serving"))
NO_RECORDINGS = f"no recordings at {RECORDINGS} (TF_SERVING_RECORDINGS)"
_MESSAGES = {
    "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse),
    "GetModelMetadata": (
        get_model_metadata_pb2.GetModelMetadataRequest,
        get_model_metadata_pb2.GetModelMetadataResponse,
    ),
    "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, get_model_status_pb2.GetModelStatusResponse),
}
# Which node failed, and inside which function, is the graph's own affair.
_NODE = re.compile(r"\[\[.*?\]\]$", re.DOTALL)
# The kernel of oneDNN and that of Eigen have words of their own for a wrong rank; the CPU decides which one runs.
_WRONG_RANK = re.compile(r"In\[0\] (ndims must be >= 2|and In\[1\] has different ndims: \[2\] vs\. \[4,3\])")


def recorded_calls(name: str) -> list[dict[str, Any]]:
    """The calls recorded in the file `name`; none where the recordings are not there."""
    file = RECORDINGS / name
    return list(json.loads(file.read_text())) if file.is_file() else []


@contextmanager
def recorded_server(folder: Path, *flags: str, binary: Path | None = None) -> Iterator[ModelServer]:
    """A server under the configuration of the recordings, all versions loaded."""
    file = folder / "models.config"
    models = (RECORDINGS / "models" / "demo").resolve()
    file.write_text(text_format.MessageToString(recorded_config(models)))
    allow = "--allow_version_labels_for_unavailable_models=true"
    with ModelServer(allow, *flags, config_file=file, name="demo", rest=True, binary=binary) as server:
        for version in (1, 2, 3):
            server.wait_for_version(version)
        yield server


def recorded_config(models: Path) -> model_server_config_pb2.ModelServerConfig:
    """The configuration under which the calls were recorded."""
    config = model_server_config_pb2.ModelServerConfig()
    demo = config.model_config_list.config.add(name="demo", base_path=str(models), model_platform="tensorflow")
    demo.model_version_policy.all.SetInParent()
    demo.version_labels["stable"] = 2
    demo.version_labels["canary"] = 3
    config.model_config_list.config.add(name="latest", base_path=str(models), model_platform="tensorflow")
    return config


def assert_answered_as_recorded(server: ModelServer, recorded: dict[str, Any]) -> None:
    """Send a recorded gRPC call to `server` and compare answer, or code and message."""
    request_type, response_type = _MESSAGES[recorded["rpc"]]
    request = json_format.ParseDict(recorded["request"], request_type())
    service = server.models if recorded["rpc"] == "GetModelStatus" else server.predictions
    call = getattr(service, recorded["rpc"])
    if "error" in recorded:
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=60)
        assert refused.value.code().name == recorded["error"]["code"]
        assert comparable(refused.value.details()) == comparable(recorded["error"]["message"])
        return
    # Through the message type, so that both sides print defaults and defaults only in one way.
    expected = json_format.MessageToDict(json_format.ParseDict(recorded["response"], response_type()))
    assert_same(json_format.MessageToDict(call(request, timeout=60)), expected)


def comparable(message: str) -> str:
    """An error message without what differs between machines."""
    return _WRONG_RANK.sub("In[0] of the wrong rank", _NODE.sub("[[]]", message))


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
