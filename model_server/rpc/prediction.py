"""tensorflow.serving.PredictionService: Predict and GetModelMetadata; the rest is UNIMPLEMENTED."""

from __future__ import annotations

from typing import Any

import grpc

from model_server import monitoring
from model_server.core import NOT_BUILT, ServerCore
from model_server.errors import Code, ServingError
from model_server.rpc.answering import Answering
from speech_emotion.protos import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    """Runs models and tells their signatures."""

    def __init__(self, core: ServerCore, answering: Answering) -> None:
        self._core = core
        self._answer = answering.answer

    def Predict(
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Run one signature of one version."""

        def predict(request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
            with monitoring.request("GRPC", request.model_spec.name, "Predict"):
                return self._core.predict(request)

        return self._answer(context, predict, request)

    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Tell the signatures of one version."""
        return self._answer(context, self._core.metadata, request)

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Refuse the call: it takes tf.Examples, which no model here reads."""

        def refuse(_: Any) -> Any:
            raise ServingError(Code.UNIMPLEMENTED, NOT_BUILT)

        return self._answer(context, refuse, request)

    Regress = MultiInference = Classify
