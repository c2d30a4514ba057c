"""Channels against a real gRPC server with a certificate of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest

from speech_emotion.channel import Tls, TlsError, open_channel
from speech_emotion.protos import get_model_status_pb2, model_service_pb2_grpc
from tests.support.certificates import needs_openssl, self_signed

pytestmark = needs_openssl
Files = dict[str, tuple[Path, Path]]


class Status(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc]
    def GetModelStatus(self, request: Any, context: Any) -> get_model_status_pb2.GetModelStatusResponse:  # noqa: ARG002
        return get_model_status_pb2.GetModelStatusResponse()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("certificates")
    names = {"server": "DNS:model-server.example", "address": "IP:127.0.0.1"}
    return {name: self_signed(folder, name, names.get(name, "DNS:me")) for name in (*names, "client", "stranger")}


@pytest.fixture(scope="module")
def ports(files: Files) -> Iterator[dict[str, int]]:
    """`server`'s certificate has a name and it asks for the client's; `address`'s has its address, and it does not."""
    server = grpc.server(ThreadPoolExecutor(2))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Status(), server)
    bound = {}
    for name, asked in (("server", files["client"][1].read_bytes()), ("address", None)):
        key, certificate = (file.read_bytes() for file in files[name])
        credentials = grpc.ssl_server_credentials([(key, certificate)], asked, require_client_auth=asked is not None)
        bound[name] = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield bound
    server.stop(0).wait()


def outcome(port: int, tls: Tls | None, host: str = "") -> str:
    with open_channel(f"127.0.0.1:{port}", tls, host=host) as channel:
        try:
            request = get_model_status_pb2.GetModelStatusRequest()
            model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=60)
        except grpc.RpcError as error:
            return str(error.code().name)
    return "OK"


def test_an_address_is_checked_against_the_name_that_it_was_found_by(ports: dict[str, int], files: Files) -> None:
    key, certificate = files["client"]
    tls = Tls(files["server"][1], certificate, key)
    assert outcome(ports["server"], tls, "model-server.example") == "OK"
    assert outcome(ports["server"], tls, "another.example") == "UNAVAILABLE"
    assert outcome(ports["server"], tls) == "UNAVAILABLE"


def test_a_certificate_for_the_address_itself_needs_no_name(ports: dict[str, int], files: Files) -> None:
    assert outcome(ports["address"], Tls(files["address"][1])) == "OK"
    assert outcome(ports["address"], Tls(files["address"][1]), "127.0.0.1") == "OK"


def test_strangers_and_plain_connections_are_refused(ports: dict[str, int], files: Files) -> None:
    stranger_key, stranger = files["stranger"]
    name = "model-server.example"
    assert outcome(ports["server"], Tls(files["server"][1], stranger, stranger_key), name) == "UNAVAILABLE"
    assert outcome(ports["server"], Tls(files["server"][1]), name) == "UNAVAILABLE"
    assert outcome(ports["address"], Tls(stranger)) == "UNAVAILABLE"
    assert outcome(ports["address"], None) == "UNAVAILABLE"


def test_options_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.pem"
    assert Tls.of(None, None, None) is None
    for arguments in ((None, file, file), (None, None, file), (file, file, None), (file, None, file)):
        with pytest.raises(TlsError, match="certificate"):
            Tls.of(*arguments)


@pytest.mark.parametrize("content", [None, "", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_files_that_are_no_certificates_are_named(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(TlsError, match=f"{file} cannot be used for TLS: "):
        open_channel("127.0.0.1:1", Tls(file))


def test_a_key_of_another_certificate_is_refused(files: Files) -> None:
    with pytest.raises(TlsError, match="KEY_VALUES_MISMATCH"):
        Tls(files["server"][1], files["client"][1], files["stranger"][0]).credentials()
