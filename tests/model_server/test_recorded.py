"""Every call that was recorded from the real server gets the same answer, code and message here.

With MODEL_SERVER=host:port the calls go to that server instead (a real one, say), which must serve the
demo models under the configuration of `recorded_config`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from speech_emotion.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from tests.model_server.recorded import NODE, RECORDINGS, assert_same, recorded_calls, recorded_server

CALLS = recorded_calls("grpc.json")
MESSAGES = {
    "Predict": (predict_pb2.PredictRequest, predict_pb2.PredictResponse),
    "GetModelMetadata": (
        get_model_metadata_pb2.GetModelMetadataRequest,
        get_model_metadata_pb2.GetModelMetadataResponse,
    ),
    "GetModelStatus": (get_model_status_pb2.GetModelStatusRequest, get_model_status_pb2.GetModelStatusResponse),
}

pytestmark = pytest.mark.skipif(not CALLS, reason=f"no recordings at {RECORDINGS} (TF_SERVING_RECORDINGS)")


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[grpc.Channel]:
    if address := os.environ.get("MODEL_SERVER"):
        with grpc.insecure_channel(address) as outside:
            yield outside
        return
    with recorded_server(tmp_path_factory.mktemp("recorded")) as server:
        yield server.channel


def call(channel: grpc.Channel, rpc: str, request: Any) -> Any:
    service = model_service_pb2_grpc.ModelServiceStub if rpc == "GetModelStatus" else None
    stub = (service or prediction_service_pb2_grpc.PredictionServiceStub)(channel)
    return getattr(stub, rpc)(request, timeout=60)


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
