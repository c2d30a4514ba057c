"""The gRPC server: services, threads and limits."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from model_server.core import ServerCore
from model_server.rpc.answering import Answering
from model_server.rpc.models import ModelService
from model_server.rpc.prediction import PredictionService
from speech_emotion.protos import model_service_pb2_grpc, prediction_service_pb2_grpc

# Threads beside those that work on calls, so that neither a refusal nor a health check waits for one.
_REFUSING_THREADS = 4
_OPTIONS = (
    ("grpc.max_receive_message_length", 2**31 - 1),  # as the real server
    ("grpc.max_send_message_length", 2**31 - 1),
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share it
)


def start_grpc_server(
    core: ServerCore,
    addresses: Sequence[str],
    max_threads: int,
    credentials: grpc.ServerCredentials | None = None,
    options: tuple[tuple[str, int | str], ...] = (),
    *,
    with_health: bool = False,
) -> grpc.Server:
    """Serve `core` on these addresses, by TLS where there are credentials. Raises OSError on a taken address.

    One of the `max_threads` waits for calls, as in the real server: the others work on one call each.
    """
    answering = Answering(max_threads - 1)
    pool = ThreadPoolExecutor(max_threads - 1 + _REFUSING_THREADS, thread_name_prefix="grpc")
    server = grpc.server(pool, options=(*_OPTIONS, *options))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(core, answering), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(core, answering), server)
    if with_health:
        health_pb2_grpc.add_HealthServicer_to_server(_health(), server)
    for address in addresses:
        try:
            if credentials is None:
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error
    server.start()
    return server


def _health() -> health.HealthServicer:
    """Says SERVING under the names that the real server gives its services: the port opens when models are there."""
    servicer = health.HealthServicer()
    for name in ("ModelService", "PredictionService"):
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return servicer
