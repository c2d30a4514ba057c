"""The connection to the model server: one channel for all models, a deadline on every call, the project's errors."""

from __future__ import annotations

import threading
import time

import grpc

from preprocess_gateway.backend.connectivity import Connectivity
from preprocess_gateway.backend.retry import RetryBudget
from preprocess_gateway.context import Metadata, RequestContext
from preprocess_gateway.errors import DeadlineError, ModelUnavailableError, OverloadedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.failures import log_failure
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.channel import Tls, open_channel
from speech_emotion.errors import ContractError
from speech_emotion.protos import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

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
RENEW_S = 10.0
"""Seconds without a connection after which the channel is replaced. While a name has no address, gRPC waits longer
before each lookup, up to two minutes, and has no option for it."""
SECOND_CALL_PAUSE_S = 0.05
"""Before a call is made again. gRPC sees a moment after a call has failed that the connection is gone; until then a
second call may get the same one."""
UNKNOWN_LABEL = "servable version label"  # INVALID_ARGUMENT with these words: the label was taken away
BATCHING_QUEUE = "batch scheduling queue"  # UNAVAILABLE with these words means full, not away


class VersionNotFoundError(ModelUnavailableError):
    """The server has no such version or label."""


class Connection:
    """The channel to the model server; make it after the fork, and close it."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._metrics = metrics
        self._budget = RetryBudget(settings.retry_ratio)
        self._target = settings.model_server
        self._tls = Tls.of(
            settings.model_server_ca_file,
            settings.model_server_client_cert_file,
            settings.model_server_client_key_file,
        )
        self._renewing = threading.Lock()
        self._open()

    def _open(self, before: Connectivity | None = None) -> None:
        self._channel = open_channel(self._target, self._tls, CHANNEL_OPTIONS)
        self._connectivity = Connectivity(self._channel, before)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._status = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def renew_if_lost(self) -> None:
        """Replace the channel if it has had no connection for RENEW_S, and has failed. Raises TlsError."""
        with self._renewing:
            channel, connectivity = self._channel, self._connectivity
            if connectivity.lost(RENEW_S):
                self._open(connectivity)
                connectivity.close()
                channel.close()

    def close(self) -> None:
        """Close the channel; calls in flight are cancelled."""
        with self._renewing:
            self._connectivity.close()
            self._channel.close()

    def ask(self, request: predict_pb2.PredictRequest, context: RequestContext) -> predict_pb2.PredictResponse:
        """The answer to a client's call.

        An UNAVAILABLE is asked again once, if the context and the retry budget allow it: round robin takes another
        server. Raises what `call` does.
        """
        if context.may_retry:
            self._budget.earn()
        if self._connectivity.away():
            raise ModelUnavailableError("the model server cannot be reached")
        try:
            return self.call(request, context.deadline, context.metadata)
        except VersionNotFoundError:
            raise
        except ModelUnavailableError as error:
            if not context.may_retry or self._connectivity.away() or not self.spend_retry():
                raise
            log_failure("a call to the model server is made again", error)
            time.sleep(SECOND_CALL_PAUSE_S)
            return self.call(request, context.deadline, context.metadata)

    def spend_retry(self) -> bool:
        """Whether the model server may be asked once more than there are requests; if so it is paid for and counted."""
        spent = self._budget.spend()
        if spent:
            self._metrics.retries.inc()
        return spent

    def call(
        self, request: predict_pb2.PredictRequest, deadline: float, metadata: Metadata = ()
    ) -> predict_pb2.PredictResponse:
        """Ask once, until `deadline` (of `time.monotonic`).

        Raises VersionNotFoundError, ModelUnavailableError, OverloadedError, DeadlineError, ContractError.
        """
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineError("the request took too long")
        try:
            return self._stub.Predict(request, timeout=left_s, metadata=metadata)
        except grpc.RpcError as error:
            raise _noted(_translate(error), request.model_spec.name, error) from error

    def status(self, model: str, timeout_s: float) -> get_model_status_pb2.GetModelStatusResponse:
        """The states of all versions of a model, on one of the servers; raises what `call` does."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        try:
            return self._status.GetModelStatus(request, timeout=timeout_s)
        except grpc.RpcError as error:
            raise _translate(error) from error


def _noted(translated: Exception, model: str, error: grpc.RpcError) -> Exception:
    """With the model's own words, which are for the log and not for a client."""
    translated.add_note(f"{model}: {error.code().name}: {error.details()}")
    return translated


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
