"""Asks model servers over gRPC which versions they serve."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from speech_emotion.channel import Tls, open_channel
from speech_emotion.listening import host_port
from speech_emotion.protos import get_model_status_pb2, model_service_pb2_grpc
from speech_emotion.store.errors import LoadFailedError, NotServedError

_State = get_model_status_pb2.ModelVersionStatus.State
CALL_TIMEOUT_S = 5.0
POLL_S = 0.2
REACH_S = 30.0
"""A server that restarts is back by then; a name that is wrong never is."""
MAX_PORT = 65_535
_BRACKETS = re.compile(r"\[(.*:.*)\]")
_PORT = re.compile("[0-9]{1,5}")  # `str.isdigit` takes `²` too


@dataclass(frozen=True)
class Address:
    """One server: `target` is its ip:port, `host` the name that it was found by, which its certificate shows."""

    host: str
    target: str


@dataclass(frozen=True)
class ModelServers:
    """The model servers that run on a store: a label comes to a version once each of them serves it.

    Attributes:
        names: `host:port` of each server. A name with several addresses, such as a headless Service, means all of them.
        tls: certificates for the connections; without them they are plain.
        timeout_s: seconds that the servers have to load a version, with the retries of a load that fails.
    """

    names: Sequence[str] = ()
    tls: Tls | None = None
    timeout_s: float = 60.0

    def addresses(self) -> list[Address]:
        """Every server behind the names. Raises NotServedError for a name that cannot be resolved."""
        return [address for name in self.names for address in _addresses(name)]

    def connect(self, address: Address) -> grpc.Channel:
        """A channel to one server; close it. Raises TlsError."""
        return open_channel(address.target, self.tls, host=address.host)

    def require_reachable(self) -> None:
        """Return once every server has answered, whatever it serves: to be asked before hours of work.

        Raises NotServedError, naming the server, if one does not within REACH_S or `timeout_s`; TlsError.
        """
        for name in self.names:
            _host_and_port(name)  # to wait for what is no address would be in vain
        deadline = time.monotonic() + min(REACH_S, self.timeout_s)
        for name in self.names:
            while (found := self._silent(name)) is not None:
                if time.monotonic() >= deadline:
                    raise NotServedError(f"no model server answers at {name}: {found}")
                time.sleep(POLL_S)

    def _silent(self, name: str) -> NotServedError | None:
        """Why not every address behind the name answers; none: all do."""
        try:
            for address in _addresses(name):
                with self.connect(address) as channel:
                    _require_answer(channel, address.target)
        except NotServedError as error:
            return error
        return None

    def require_available(self, model: str, number: int) -> None:
        """Return once every server says AVAILABLE for the version.

        Raises NotServedError, in the server's own words, if one does not within `timeout_s`; LoadFailedError as soon as
        one says that it cannot load the version, for that is a server's last word; TlsError.
        """
        deadline = time.monotonic() + self.timeout_s
        for name in self.names:
            while (found := self._unavailable(name, model, number)) is not None:
                if isinstance(found, LoadFailedError) or time.monotonic() >= deadline:
                    raise type(found)(f"{name} does not serve version {number} of {model}: {found}")
                time.sleep(POLL_S)

    def _unavailable(self, name: str, model: str, number: int) -> NotServedError | None:
        """Why not every address behind the name serves the version; none: all do."""
        try:
            for address in _addresses(name):
                with self.connect(address) as channel:
                    _require(channel, address.target, model, number)
        except NotServedError as error:
            return error
        return None


NO_SERVERS = ModelServers()
"""No server runs on the store, so none is asked."""


def _host_and_port(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    if six := _BRACKETS.fullmatch(host):
        host = six[1]
    # The resolver takes 65,536 off a larger port.
    if not host or (":" in host and not six) or not _PORT.fullmatch(port) or int(port) > MAX_PORT:
        raise NotServedError(
            f"{server[:80]!r} is not the address of a model server: host:port is needed, an IPv6 address in brackets, "
            f"the port at most {MAX_PORT}"
        )
    return host, int(port)


def _addresses(server: str) -> list[Address]:
    host, port = _host_and_port(server)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotServedError(f"{server}: {error.strerror or error}") from error
    targets = {host_port(str(ip), int(port)) for *_, (ip, *_) in found}
    return [Address(host, target) for target in sorted(targets)]


def _require_answer(channel: grpc.Channel, address: str) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "none"
    try:
        model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=CALL_TIMEOUT_S)
    except grpc.RpcError as error:
        # Any other code is a server's own answer, mostly that it has no such model.
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            raise NotServedError(f"{address}: {error.details()}") from error


def _require(channel: grpc.Channel, address: str, name: str, number: int) -> None:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    request.model_spec.version.value = number
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
