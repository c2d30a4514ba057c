"""Every gRPC call that was recorded gets the same answer, code and message from both servers."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from speech_emotion.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)
from tests.model_server.recorded import RECORDINGS, assert_same, comparable, recorded_calls
from tests.support.model_server import ModelServer

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


def call(server: ModelServer, rpc: str, request: Any) -> Any:
    service = server.models if rpc == "GetModelStatus" else server.predictions
    return getattr(service, rpc)(request, timeout=60)


@pytest.mark.parametrize("recorded", CALLS, ids=[f"{each['rpc']}: {each['case']}" for each in CALLS])
def test_call_is_answered_as_recorded(demo: ModelServer, recorded: dict[str, Any]) -> None:
    request_type, response_type = MESSAGES[recorded["rpc"]]
    request = json_format.ParseDict(recorded["request"], request_type())
    if "error" in recorded:
        with pytest.raises(grpc.RpcError) as refused:
            call(demo, recorded["rpc"], request)
        assert refused.value.code().name == recorded["error"]["code"]
        assert comparable(refused.value.details()) == comparable(recorded["error"]["message"])
        return
    # Through the message type, so that both sides print defaults and defaults only in one way.
    expected = json_format.MessageToDict(json_format.ParseDict(recorded["response"], response_type()))
    assert_same(json_format.MessageToDict(call(demo, recorded["rpc"], request)), expected)
