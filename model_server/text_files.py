"""Configuration files of the real server whose messages the generated modules lack: text, read by field name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory, text_format, wrappers_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from model_server.errors import invalid_argument

_PACKAGE = "tensorflow.serving"
_SCALARS = {"string": FieldDescriptorProto.TYPE_STRING, "bool": FieldDescriptorProto.TYPE_BOOL}
_INT64S = "repeated int64"
Fields = Mapping[str, str]

# The messages' fields in the order of their numbers: a scalar, or a message by its name.
SSL_CONFIG: Mapping[str, Fields] = {
    "SSLConfig": {"server_key": "string", "server_cert": "string", "custom_ca": "string", "client_verify": "bool"}
}
MONITORING_CONFIG: Mapping[str, Fields] = {
    "MonitoringConfig": {"prometheus_config": f".{_PACKAGE}.PrometheusConfig"},
    "PrometheusConfig": {"enable": "bool", "path": "string"},
}
_INT64, _BOOL, _STRING = (f".google.protobuf.{kind}Value" for kind in ("Int64", "Bool", "String"))
BATCHING_PARAMETERS: Mapping[str, Fields] = {
    "BatchingParameters": {
        "max_batch_size": _INT64,
        "batch_timeout_micros": _INT64,
        "max_enqueued_batches": _INT64,
        "num_batch_threads": _INT64,
        "thread_pool_name": _STRING,
        "allowed_batch_sizes": _INT64S,
        "pad_variable_length_inputs": "bool",
        "enable_large_batch_splitting": _BOOL,
        "max_execution_batch_size": _INT64,
    }
}


def read_text(path: Path, messages: Mapping[str, Fields]) -> Any:
    """The first of `messages` as the file `path` has it.

    Raises ServingError if the file cannot be read or is no such text.
    """
    name = next(iter(messages))
    try:
        return text_format.Parse(path.read_text(encoding="utf-8"), _message(name, messages))
    except OSError as error:
        raise invalid_argument(f"Cannot read {path}: {error.strerror}") from error
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise invalid_argument(f"Invalid protobuf file: '{path}': {error}") from error


def _message(name: str, messages: Mapping[str, Fields]) -> Any:
    file = FileDescriptorProto(name=f"{name}.proto", package=_PACKAGE, dependency=[wrappers_pb2.DESCRIPTOR.name])
    for each, fields in messages.items():
        message = file.message_type.add(name=each)
        for number, (field, kind) in enumerate(fields.items(), 1):
            entry = message.field.add(name=field, number=number)
            if kind == _INT64S:
                entry.type, entry.label = FieldDescriptorProto.TYPE_INT64, FieldDescriptorProto.LABEL_REPEATED
            elif kind in _SCALARS:
                entry.type = _SCALARS[kind]
            else:
                entry.type, entry.type_name = FieldDescriptorProto.TYPE_MESSAGE, kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))()
