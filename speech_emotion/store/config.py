"""`models.config`: TensorFlow Serving's ModelServerConfig as text, read and replaced whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from google.protobuf import text_format

from speech_emotion.errors import StoreError
from speech_emotion.protos import model_server_config_pb2


def parse_config(text: str) -> model_server_config_pb2.ModelServerConfig:
    """Parse the text of a `models.config`. Raises StoreError with the parser's line and column."""
    try:
        return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except text_format.ParseError as error:
        raise StoreError(f"models.config cannot be read: {error}") from error


def read_config(path: Path) -> model_server_config_pb2.ModelServerConfig:
    """Read `path`. Raises StoreError if it is not a configuration, OSError if it is not there."""
    try:
        return parse_config(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise StoreError(f"models.config cannot be read: {error}") from error


def write_config(path: Path, config: model_server_config_pb2.ModelServerConfig) -> None:
    """Replace `path` by `config` in one step."""
    replace_text(path, text_format.MessageToString(config))


def replace_text(path: Path, text: str) -> None:
    """Replace a file in one step: a reader sees the old text or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
