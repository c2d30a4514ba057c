"""tensorflow.serving.ModelService: the state of versions, and a new configuration by call."""

from __future__ import annotations

import grpc

from model_server.core import ServerCore
from model_server.errors import invalid_argument
from model_server.rpc.answering import Answering
from speech_emotion.protos import get_model_status_pb2, model_management_pb2, model_service_pb2_grpc

# A caller without a deadline who has gone must not hold a place for ever.
_MAX_WAIT_S = 600.0


class ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    """Tells the state of versions, and takes a new configuration."""

    def __init__(self, core: ServerCore, answering: Answering) -> None:
        self._core = core
        self._answer = answering.answer

    def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Tell the state of one version or of all."""
        return self._answer(context, self._core.status, request)

    def HandleReloadConfigRequest(
        self, request: model_management_pb2.ReloadConfigRequest, context: grpc.ServicerContext
    ) -> model_management_pb2.ReloadConfigResponse:
        """Put a configuration in force, and answer when its new models are served."""

        def reload(request: model_management_pb2.ReloadConfigRequest) -> model_management_pb2.ReloadConfigResponse:
            if request.config.WhichOneof("config") != "model_config_list":
                raise invalid_argument(
                    "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                    "Only ModelConfigList is currently supported"
                )
            new = self._core.reload(request.config)
            remaining = context.time_remaining()
            self._core.wait_until_served(new, _MAX_WAIT_S if remaining is None else remaining)
            response = model_management_pb2.ReloadConfigResponse()
            response.status.SetInParent()
            return response

        return self._answer(context, reload, request)
