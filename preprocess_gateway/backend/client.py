"""Predict over gRPC, with a deadline on every call and the project's errors."""

from __future__ import annotations

import time
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from preprocess_gateway.backend.connectivity import Connectivity
from preprocess_gateway.backend.retry import RetryBudget
from preprocess_gateway.backend.tensors import from_array, to_array
from preprocess_gateway.context import Metadata, RequestContext
from preprocess_gateway.errors import DeadlineError, ModelUnavailableError, OverloadedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion import contract
from speech_emotion.channel import Tls, open_channel
from speech_emotion.errors import ContractError
from speech_emotion.protos import predict_pb2, prediction_service_pb2_grpc, tensor_pb2, types_pb2

CHANNEL_OPTIONS = (
    ("grpc.lb_policy_name", "round_robin"),  # a headless Service names every pod
    ("grpc.dns_min_time_between_resolutions_ms", 1_000),  # 30 s by default: new pods would wait
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),  # how long an attempt may take: 20 s by default
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A peer that hangs is found out. Servers with default settings end a connection after pings without
    # an answer of theirs in between; the resolver's call each second makes them answer.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.enable_retries", 0),  # the budget here is the only one
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)
UNKNOWN_LABEL = "servable version label"  # INVALID_ARGUMENT with these words: the label was taken away
BATCHING_QUEUE = "batch scheduling queue"  # UNAVAILABLE with these words means full, not away


class VersionNotFoundError(ModelUnavailableError):
    """The server has no such version or label."""


class PredictClient:
    """One channel to the model server; make it after the fork."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.model_name = settings.model_name
        self._metrics = metrics
        self._budget = RetryBudget(settings.retry_ratio)
        self._channel = _channel(settings)
        self._connectivity = Connectivity(self._channel)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        self._connectivity.close()
        self._channel.close()

    def predict(
        self, features: npt.NDArray[np.float32], version: int, context: RequestContext
    ) -> npt.NDArray[np.float32]:
        """Probabilities `[batch, labels]` of features `[batch, frames, bins]` from one version.

        An UNAVAILABLE is asked again once, if the retry budget allows: round robin takes another server.
        Raises VersionNotFoundError, ModelUnavailableError, OverloadedError, DeadlineError, ContractError.
        """
        request = self._request(contract.SIGNATURE_PREDICT)
        request.model_spec.version.value = version
        request.inputs[contract.INPUT_FEATURES].CopyFrom(from_array(features))
        response = self._ask(request, context)
        if contract.OUTPUT_PROBABILITIES not in response.outputs:
            raise ContractError(f"version {version} answers without `{contract.OUTPUT_PROBABILITIES}`")
        probabilities = to_array(response.outputs[contract.OUTPUT_PROBABILITIES])
        if probabilities.ndim != 2 or len(probabilities) != len(features) or not np.isfinite(probabilities).all():
            raise ContractError(f"version {version} answered shape {probabilities.shape} for {len(features)} windows")
        return probabilities

    def describe(self, label: str, timeout_s: float) -> tuple[int, contract.Description]:
        """The version that `label` means now, and what it says of itself; raises what `predict` does."""
        request = self._request(contract.SIGNATURE_DESCRIBE)
        request.model_spec.version_label = label
        rows = tensor_pb2.TensorProto(dtype=types_pb2.DT_INT32, int_val=[0])
        rows.tensor_shape.dim.add(size=1)
        request.inputs[contract.INPUT_ROWS].CopyFrom(rows)
        response = self._call(request, time.monotonic() + timeout_s)
        texts = [_text(response, name) for name in (contract.OUTPUT_SPEC, contract.OUTPUT_LABELS, contract.OUTPUT_CARD)]
        return response.model_spec.version.value, contract.Description.parse(*texts)

    def _ask(self, request: predict_pb2.PredictRequest, context: RequestContext) -> Any:
        self._budget.earn()
        if self._connectivity.away():
            raise ModelUnavailableError("the model server cannot be reached")
        try:
            return self._call(request, context.deadline, context.metadata)
        except VersionNotFoundError:
            raise
        except ModelUnavailableError:
            if self._connectivity.away() or not self._budget.spend():
                raise
            self._metrics.retries.inc()
            return self._call(request, context.deadline, context.metadata)

    def _request(self, signature: str) -> predict_pb2.PredictRequest:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self.model_name
        request.model_spec.signature_name = signature
        return request

    def _call(self, request: predict_pb2.PredictRequest, deadline: float, metadata: Metadata = ()) -> Any:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineError("the request took too long")
        try:
            return self._stub.Predict(request, timeout=left_s, metadata=metadata)
        except grpc.RpcError as error:
            raise _translate(error) from error


def _channel(settings: Settings) -> grpc.Channel:
    tls = Tls.of(
        settings.model_server_ca_file, settings.model_server_client_cert_file, settings.model_server_client_key_file
    )
    return open_channel(settings.model_server, tls, CHANNEL_OPTIONS)


def _text(response: predict_pb2.PredictResponse, name: str) -> bytes:
    values = response.outputs[name].string_val if name in response.outputs else []
    if not values:
        raise ContractError(f"the model's `describe` answers without `{name}`")
    return bytes(values[0])


def _translate(error: grpc.RpcError) -> Exception:
    match error.code():
        case grpc.StatusCode.NOT_FOUND:
            return VersionNotFoundError("the model server has no such model version")
        case grpc.StatusCode.INVALID_ARGUMENT if UNKNOWN_LABEL in (error.details() or ""):
            return VersionNotFoundError("no model version has this label")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineError("the model server did not answer in time")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return OverloadedError("the model server is at capacity", reason="model_server")
        case grpc.StatusCode.UNAVAILABLE if BATCHING_QUEUE in (error.details() or ""):
            return OverloadedError("the model server is at capacity", reason="model_server")
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            return ModelUnavailableError("the model server cannot be reached")
        case _:
            return ContractError("the model server refused the request")
