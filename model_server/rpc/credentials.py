"""TLS for the gRPC server, from the file that the real server takes: an SSLConfig as text."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path
from typing import Any

import grpc

from model_server.errors import ServingError, invalid_argument
from model_server.text_files import SSL_CONFIG, read_text


def read_credentials(path: Path) -> grpc.ServerCredentials:
    """The server's key and certificate, and with `client_verify` the CA that clients' certificates need.

    Raises ServingError if the file cannot be read, is no SSLConfig, lacks what it asks for, or has texts that are no
    key and certificates.
    """
    config = read_text(path, SSL_CONFIG)
    if not config.server_key or not config.server_cert:
        raise invalid_argument(f"{path} must have server_key and server_cert, each the text of a PEM file")
    if config.client_verify and not config.custom_ca:
        raise invalid_argument(f"{path} says client_verify: it must have custom_ca, the text of a PEM file")
    _check_pem(config, path)
    pair = (config.server_key.encode(), config.server_cert.encode())
    return grpc.ssl_server_credentials([pair], config.custom_ca.encode() or None, config.client_verify)


def _check_pem(config: Any, path: Path) -> None:
    """Raise ServingError where gRPC would only say that it cannot listen."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(f"{config.server_key}\n{config.server_cert}\n")
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except OSError as error:  # an ssl.SSLError is one
            raise _bad_pem(path, "server_key and server_cert are no key with its certificate") from error
    if config.custom_ca:
        try:
            context.load_verify_locations(cadata=config.custom_ca)
        except (OSError, ValueError) as error:
            raise _bad_pem(path, "custom_ca is no certificate") from error


def _bad_pem(path: Path, what: str) -> ServingError:
    return invalid_argument(f"{path}: {what}, each as the text of a PEM file")
