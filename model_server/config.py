"""The ModelServerConfig: what the server accepts as one, and in which words it refuses the rest."""

from __future__ import annotations

import re

from model_server.errors import failed_precondition, invalid_argument
from speech_emotion.protos import model_server_config_pb2

PLATFORM = "tensorflow"


def single_model_config(name: str, base_path: str) -> model_server_config_pb2.ModelServerConfig:
    """The configuration that --model_name and --model_base_path stand for."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform=PLATFORM)
    return config


def check_config(
    config: model_server_config_pb2.ModelServerConfig, old: model_server_config_pb2.ModelServerConfig | None
) -> None:
    """Raise ServingError if `config` cannot be served, or cannot follow `old`."""
    kind = config.WhichOneof("config")
    if kind == "custom_model_config":
        raise invalid_argument("ModelServer does not yet support custom model config.")
    if kind is None and old is not None and old.WhichOneof("config"):
        raise failed_precondition(
            "Cannot transition to requested config. It is only legal to transition from one ModelConfigList to another."
        )
    seen: set[str] = set()
    for model in config.model_config_list.config:
        if model.name in seen:
            raise invalid_argument(f"Illegal to list model {model.name} multiple times in config list")
        seen.add(model.name)
        _check_base_path(model)
        _check_platform(model)


def _check_base_path(model: model_server_config_pb2.ModelConfig) -> None:
    if re.match(r"[a-zA-Z][a-zA-Z0-9.]*://", model.base_path):
        raise invalid_argument(
            f"Model {model.name} has the base path {model.base_path}: this server reads local folders only"
        )
    if not model.base_path.startswith("/"):
        raise invalid_argument(
            f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
        )


def _check_platform(model: model_server_config_pb2.ModelConfig) -> None:
    kind = model_server_config_pb2.ModelType
    platform = model.model_platform
    if model.model_type != kind.MODEL_TYPE_UNSPECIFIED:
        if platform:
            raise invalid_argument(
                "Illegal setting both ModelServerConfig::model_type (deprecated) and ModelServerConfig::model_platform."
            )
        platform = PLATFORM if model.model_type == kind.TENSORFLOW else "other"
    if not platform:
        raise invalid_argument(
            "Illegal setting neither ModelServerConfig::model_type (deprecated) nor ModelServerConfig::model_platform."
        )
    if platform != PLATFORM:
        raise invalid_argument(f"Model {model.name} requests unsupported platform {platform}")
