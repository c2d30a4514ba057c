"""What servers say of a version, over plain connections and TLS."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from speech_emotion.channel import Tls, TlsError
from speech_emotion.protos import get_model_status_pb2, model_service_pb2_grpc
from speech_emotion.store.errors import LoadFailedError, NotServedError
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import promote
from speech_emotion.store.publish import publish
from speech_emotion.store.servers import Address, ModelServers
from tests.support.certificates import needs_openssl, self_signed
from tests.support.ports import free_port
from tests.support.stores import write_version

STATES = get_model_status_pb2.ModelVersionStatus.State


class Status(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    """Says of version 1 what it is told to."""

    def __init__(self) -> None:
        self.states = [STATES.AVAILABLE]
        self.error = ""

    def GetModelStatus(self, request: Any, context: Any) -> get_model_status_pb2.GetModelStatusResponse:  # noqa: ARG002
        response = get_model_status_pb2.GetModelStatusResponse()
        entry = response.model_version_status.add(version=1, state=self.states[0])
        entry.status.error_code, entry.status.error_message = (15, self.error) if self.error else (0, "")
        self.states = self.states[1:] or self.states
        return response


@pytest.fixture
def status() -> Status:
    return Status()


@pytest.fixture
def listening(status: Status) -> Iterator[grpc.Server]:
    server = grpc.server(ThreadPoolExecutor(2))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(status, server)
    yield server  # started by whoever has given it its ports
    server.stop(0).wait()


@pytest.fixture
def servers(listening: grpc.Server) -> ModelServers:
    port = listening.add_insecure_port("127.0.0.1:0")
    listening.start()
    return ModelServers((f"127.0.0.1:{port}",), timeout_s=30)


def test_a_version_that_loads_is_waited_for(status: Status, servers: ModelServers) -> None:
    status.states = [STATES.START, STATES.LOADING, STATES.AVAILABLE]
    servers.require_available("m", 1)


def test_a_load_that_failed_is_the_last_word(status: Status, servers: ModelServers) -> None:
    status.states, status.error = [STATES.LOADING, STATES.END], "torn"
    with pytest.raises(LoadFailedError, match=r"does not serve version 1 of m: .*END torn"):
        servers.require_available("m", 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "host:port is needed"),
        (":8500", "host:port is needed"),
        ("x:", "host:port is needed"),
        ("x:y", "host:port is needed"),
        ("x:²", "host:port is needed"),
        ("x:٣", "host:port is needed"),
        ("127.0.0.1:70000", "the port at most 65535"),
        ("x:" + "9" * 5000, "the port at most 65535"),
        ("no.such.host.invalid:8500", "no.such.host.invalid:8500: "),
        ("127.0.0.1:PORT", "127.0.0.1:PORT does not serve"),
    ],
)
def test_a_server_that_cannot_be_asked_is_named(name: str, message: str) -> None:
    port = str(free_port())
    with pytest.raises(NotServedError, match=message.replace("PORT", port)):
        ModelServers((name.replace("PORT", port),), timeout_s=0).require_available("m", 1)


def test_every_address_behind_a_name_counts() -> None:
    assert ModelServers(("127.0.0.1:1", "[::1]:2")).addresses() == [
        Address("127.0.0.1", "127.0.0.1:1"),
        Address("::1", "[::1]:2"),
    ]
    assert {address.host for address in ModelServers(("localhost:1",)).addresses()} == {"localhost"}


@needs_openssl
@pytest.mark.parametrize(("valid_for", "name"), [("DNS:localhost", "localhost"), ("IP:127.0.0.1", "127.0.0.1")])
def test_a_label_moves_over_tls_with_the_right_certificates_alone(
    listening: grpc.Server, tmp_path: Path, valid_for: str, name: str
) -> None:
    files = {who: self_signed(tmp_path, who, valid_for) for who in ("server", "client", "stranger")}
    key, certificate = (file.read_bytes() for file in files["server"])
    credentials = grpc.ssl_server_credentials([(key, certificate)], files["client"][1].read_bytes(), True)
    port = listening.add_secure_port("127.0.0.1:0", credentials)
    if any(address.target.startswith("[") for address in ModelServers((f"{name}:{port}",)).addresses()):
        listening.add_secure_port(f"[::1]:{port}", credentials)
    listening.start()
    store = FolderStore(tmp_path / "store")
    publish(store, "m", write_version(tmp_path / "version"))

    def ask(ca: str, client: str | None) -> None:
        own = files[client][::-1] if client else (None, None)
        tls = Tls(files[ca][1], *own)
        promote(store, "m", 1, servers=ModelServers((f"{name}:{port}",), tls, timeout_s=0))

    for ca, client in (("stranger", "client"), ("server", "stranger"), ("server", None)):
        with pytest.raises(NotServedError):
            ask(ca, client)
    with pytest.raises(NotServedError):
        promote(store, "m", 1, servers=ModelServers((f"{name}:{port}",), timeout_s=0))
    with pytest.raises(TlsError, match=r"absent\.pem cannot be used for TLS"):
        promote(store, "m", 1, servers=ModelServers((f"{name}:{port}",), Tls(tmp_path / "absent.pem"), timeout_s=30))
    assert store.read_config().labels("m") == {}
    ask("server", "client")
    assert store.read_config().labels("m") == {"stable": 1}
