"""TLS to the model server: its certificate is checked, and the gateway shows its own where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from preprocess_gateway.errors import ModelUnavailableError
from preprocess_gateway.settings import Settings
from speech_emotion.protos import prediction_service_pb2_grpc
from tests.preprocess_gateway.backend.test_client import Faulty, ask
from tests.support.certificates import needs_openssl, self_signed
from tests.support.served import client as client_of

pytestmark = needs_openssl


@pytest.fixture
def files(tmp_path: Path) -> dict[str, tuple[Path, Path]]:
    return {name: self_signed(tmp_path, name) for name in ("server", "gateway", "stranger")}


@pytest.fixture
def port(files: dict[str, tuple[Path, Path]]) -> Iterator[int]:
    """A server that asks for the gateway's certificate."""
    key, certificate = files["server"]
    credentials = grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=files["gateway"][1].read_bytes(),
        require_client_auth=True,
    )
    server = grpc.server(ThreadPoolExecutor(2))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Faulty(failures=0), server)
    bound = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield bound
    server.stop(0).wait()


def answer(port: int, **settings: Any) -> np.ndarray:
    with client_of(Settings(model_server=f"127.0.0.1:{port}", **settings)) as client:
        return ask(client)


def test_both_sides_show_a_certificate(port: int, files: dict[str, tuple[Path, Path]]) -> None:
    key, certificate = files["gateway"]
    probabilities = answer(
        port,
        model_server_ca_file=files["server"][1],
        model_server_client_key_file=key,
        model_server_client_cert_file=certificate,
    )
    np.testing.assert_allclose(probabilities, [[0.25, 0.75]])


@pytest.mark.parametrize(("authority", "own"), [("stranger", "gateway"), ("server", "stranger"), (None, None)])
def test_a_certificate_that_is_not_known_is_refused(
    port: int, files: dict[str, tuple[Path, Path]], authority: str | None, own: str | None
) -> None:
    settings: dict[str, Any] = {}
    if authority and own:
        key, certificate = files[own]
        settings = {
            "model_server_ca_file": files[authority][1],
            "model_server_client_key_file": key,
            "model_server_client_cert_file": certificate,
        }
    with pytest.raises(ModelUnavailableError):
        answer(port, **settings)
