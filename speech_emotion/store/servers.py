"""Asks model servers over gRPC which versions they serve."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Sequence

import grpc

from speech_emotion.protos import get_model_status_pb2, model_service_pb2_grpc
from speech_emotion.store.errors import LoadFailedError, NotServedError

_State = get_model_status_pb2.ModelVersionStatus.State
CALL_TIMEOUT_S = 5.0
POLL_S = 0.2


def addresses(server: str) -> list[str]:
    """Every host:port behind the name: a headless Service names all its pods. Raises NotServedError."""
    host, _, port = server.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port):
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

    Raises NotServedError, in the server's own words, if one does not within `timeout_s`; LoadFailedError as soon as one
    says that it cannot load the version, for that is a server's last word.
    """
    deadline = time.monotonic() + timeout_s
    for server in servers:
        while (found := _unavailable(server, name, number)) is not None:
            if isinstance(found, LoadFailedError) or time.monotonic() >= deadline:
                raise type(found)(f"{server} does not serve version {number} of {name}: {found}")
            time.sleep(POLL_S)


def _unavailable(server: str, name: str, number: int) -> NotServedError | None:
    """Why not every address behind the name serves the version; none: all do."""
    try:
        for address in addresses(server):
            _require(address, name, number)
    except NotServedError as error:
        return error
    return None


def _require(address: str, name: str, number: int) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    request.model_spec.version.value = number
    with grpc.insecure_channel(address) as channel:
        try:
            answer = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            raise NotServedError(f"{address}: {error.details()}") from error
    status = next((status for status in answer.model_version_status if status.version == number), None)
    if status is None:
        raise NotServedError(f"{address}: not loaded")
    if status.state != _State.AVAILABLE:
        failed = status.state == _State.END and status.status.error_code
        said = f"{address}: {_State.Name(status.state)} {status.status.error_message}".rstrip()
        raise (LoadFailedError if failed else NotServedError)(said)
