"""Asks model servers over gRPC which versions they serve."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

import grpc

from speech_emotion.protos import get_model_status_pb2, model_service_pb2_grpc
from speech_emotion.store.errors import NotServedError

_State = get_model_status_pb2.ModelVersionStatus.State
CALL_TIMEOUT_S = 5.0
POLL_S = 0.2


def addresses(server: str) -> list[str]:
    """Every host:port behind the name: a headless Service names all its pods. Raises NotServedError."""
    host, _, port = server.rpartition(":")
    if not host or not port.isdigit():
        raise NotServedError(f"{server!r} is no model server: host:port is needed")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotServedError(f"{server}: {error.strerror or error}") from error
    return sorted(
        {f"[{address[0]}]:{port}" if ":" in str(address[0]) else f"{address[0]}:{port}" for *_, address in found}
    )


def require_available(servers: Sequence[str], name: str, number: int, timeout_s: float) -> None:
    """Return once every server says AVAILABLE for the version.

    Raises NotServedError, in the server's own words, if one does not within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    for server in servers:
        while said := _unavailable(server, name, number):
            if time.monotonic() >= deadline:
                raise NotServedError(f"{server} does not serve version {number} of {name}: {said}")
            time.sleep(POLL_S)


def _unavailable(server: str, name: str, number: int) -> str:
    """Why not every address behind the name serves the version; empty: all do."""
    try:
        found = addresses(server)
    except NotServedError as error:
        return str(error)
    return next((said for address in found if (said := _state(address, name, number))), "")


def _state(address: str, name: str, number: int) -> str:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    request.model_spec.version.value = number
    with grpc.insecure_channel(address) as channel:
        try:
            answer = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            return f"{address}: {error.details()}"
    states = {status.version: status for status in answer.model_version_status}
    status = states.get(number)
    if status is None:
        return f"{address}: not loaded"
    if status.state != _State.AVAILABLE:
        return f"{address}: {_State.Name(status.state)} {status.status.error_message}".rstrip()
    return ""
