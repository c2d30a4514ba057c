"""tensorflow.serving.PredictionService: Predict and GetModelMetadata; the rest is UNIMPLEMENTED."""

from __future__ import annotations

import grpc

from model_server.core import ServerCore
from model_server.rpc.answering import answer
from speech_emotion.protos import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    """Runs models and tells their signatures."""

    def __init__(self, core: ServerCore) -> None:
        self._core = core

    def Predict(
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Run one signature of one version."""
        return answer(self._core, context, self._core.predict, request)

    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Tell the signatures of one version."""
        return answer(self._core, context, self._core.metadata, request)
