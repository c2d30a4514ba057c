"""The gRPC server: services, threads and limits."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc

from model_server.core import ServerCore
from model_server.rpc.models import ModelService
from model_server.rpc.prediction import PredictionService
from speech_emotion.protos import model_service_pb2_grpc, prediction_service_pb2_grpc

# Threads beside the gate's places, so that a refusal never waits for a place.
_REFUSING_THREADS = 4
_OPTIONS = (
    ("grpc.max_receive_message_length", 2**31 - 1),  # as the real server
    ("grpc.max_send_message_length", 2**31 - 1),
    ("grpc.so_reuseport", 0),  # a second server on the port must fail, not share it
)


def start_grpc_server(
    core: ServerCore,
    addresses: Sequence[str],
    credentials: grpc.ServerCredentials | None = None,
    options: tuple[tuple[str, int | str], ...] = (),
) -> grpc.Server:
    """Serve `core` on these addresses, by TLS where there are credentials. Raises OSError on a taken address."""
    pool = ThreadPoolExecutor(core.gate.places + _REFUSING_THREADS, thread_name_prefix="grpc")
    server = grpc.server(pool, options=(*_OPTIONS, *options))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(core), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(core), server)
    for address in addresses:
        try:
            # A socket file is local: the real server encrypts nothing there.
            if credentials is None or address.startswith("unix:"):
                server.add_insecure_port(address)
            else:
                server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {address}: {error}") from error
    server.start()
    return server
