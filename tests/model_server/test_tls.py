"""--ssl_config_file: either server serves gRPC by TLS, and says what is wrong with the file."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest

from model_server.errors import ServingError
from model_server.rpc.credentials import read_credentials
from speech_emotion.channel import Tls
from speech_emotion.protos import prediction_service_pb2_grpc
from tests.model_server.calls import answering_seed, request
from tests.support.certificates import needs_openssl, self_signed
from tests.support.model_server import ModelServer, ssl_config


@needs_openssl
def test_both_sides_show_a_certificate_over_tls(binary: Path | None, store: Path, tmp_path: Path) -> None:
    files = {name: self_signed(tmp_path, name) for name in ("server", "client", "stranger")}
    key, certificate = files["client"]
    config = ssl_config(tmp_path / "ssl.config", files["server"], client_ca=certificate)
    tls = Tls(files["server"][1], certificate, key)
    path = tmp_path / "grpc.sock"
    flags = (f"--ssl_config_file={config}", f"--grpc_socket_path={path}")
    with ModelServer(*flags, base_path=store, name="m", tls=tls, binary=binary) as server:
        assert answering_seed(server) == 1
        with grpc.insecure_channel(f"unix:{path}") as plain, pytest.raises(grpc.RpcError) as refused:
            prediction_service_pb2_grpc.PredictionServiceStub(plain).Predict(request(), timeout=5)
        assert refused.value.code() is grpc.StatusCode.UNAVAILABLE, "the socket has TLS too"
        for other in (None, Tls(files["server"][1]), Tls(files["stranger"][1], certificate, key)):
            server.reconnect(other)
            with pytest.raises(grpc.RpcError) as refused:
                server.predictions.Predict(request(), timeout=5)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "Cannot read .*No such file"),
        ("nonsense: 1", "Invalid protobuf file"),
        ("server_cert: 'x'", "must have server_key and server_cert"),
        ("server_key: 'x' server_cert: 'x' client_verify: true", "must have custom_ca"),
    ],
)
def test_a_file_that_is_no_tls_configuration_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "ssl.config"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ServingError, match=message):
        read_credentials(file)


@needs_openssl
def test_texts_that_are_no_keys_and_certificates_are_refused(tmp_path: Path) -> None:
    server, other = self_signed(tmp_path, "server"), self_signed(tmp_path, "other")
    no_ca = tmp_path / "no.pem"
    no_ca.write_text("x")
    file = tmp_path / "ssl.config"
    for pair, authority, message in (
        ((no_ca, server[1]), None, "server_key and server_cert are no key with its certificate"),
        ((server[0], other[1]), None, "server_key and server_cert are no key with its certificate"),
        (server, no_ca, "custom_ca is no certificate"),
    ):
        ssl_config(file, pair, client_ca=authority)
        with pytest.raises(ServingError, match=message):
            read_credentials(file)
    ssl_config(file, server, client_ca=other[1])
    assert read_credentials(file)
