"""TLS for the gRPC server, from the file that the real server takes: an SSLConfig as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, message_factory, text_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from model_server.errors import invalid_argument


def _message_class() -> Any:
    # The generated modules lack this one.
    file = FileDescriptorProto(name="ssl_config.proto", package="tensorflow.serving")
    message = file.message_type.add(name="SSLConfig")
    for number, name in enumerate(("server_key", "server_cert", "custom_ca"), 1):
        message.field.add(name=name, number=number, type=FieldDescriptorProto.TYPE_STRING)
    message.field.add(name="client_verify", number=4, type=FieldDescriptorProto.TYPE_BOOL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.serving.SSLConfig"))


_ssl_config = _message_class()


def read_credentials(path: Path) -> grpc.ServerCredentials:
    """The server's key and certificate, and with `client_verify` the CA that clients' certificates need.

    Raises ServingError if the file cannot be read, is no SSLConfig, or lacks what it asks for.
    """
    try:
        config = text_format.Parse(path.read_text(encoding="utf-8"), _ssl_config())
    except OSError as error:
        raise invalid_argument(f"Cannot read {path}: {error.strerror}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise invalid_argument(f"Invalid protobuf file: '{path}': {error}") from error
    if not config.server_key or not config.server_cert:
        raise invalid_argument(f"{path} must have server_key and server_cert, each the text of a PEM file")
    if config.client_verify and not config.custom_ca:
        raise invalid_argument(f"{path} says client_verify: it must have custom_ca, the text of a PEM file")
    pair = (config.server_key.encode(), config.server_cert.encode())
    return grpc.ssl_server_credentials([pair], config.custom_ca.encode() or None, config.client_verify)
