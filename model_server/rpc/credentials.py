"""TLS for the gRPC server, from the file that the real server takes: an SSLConfig as text."""

from __future__ import annotations

from pathlib import Path

import grpc

from model_server.errors import invalid_argument
from model_server.text_files import SSL_CONFIG, read_text


def read_credentials(path: Path) -> grpc.ServerCredentials:
    """The server's key and certificate, and with `client_verify` the CA that clients' certificates need.

    Raises ServingError if the file cannot be read, is no SSLConfig, or lacks what it asks for.
    """
    config = read_text(path, SSL_CONFIG)
    if not config.server_key or not config.server_cert:
        raise invalid_argument(f"{path} must have server_key and server_cert, each the text of a PEM file")
    if config.client_verify and not config.custom_ca:
        raise invalid_argument(f"{path} says client_verify: it must have custom_ca, the text of a PEM file")
    pair = (config.server_key.encode(), config.server_cert.encode())
    return grpc.ssl_server_credentials([pair], config.custom_ca.encode() or None, config.client_verify)
