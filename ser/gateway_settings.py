"""The gateway's settings as `ser` gives them, checked before anything starts."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from preprocess_gateway.settings import Settings
from ser.clips import UsageError

PREFIX: Final = "GATEWAY_"
OF_ANSWERS: Final = (
    "model_label",
    "min_confidence",
    "silence_dbfs",
    "min_speech_s",
    "min_level_range_db",
    "very_quiet_dbfs",
    "clipped_ratio",
    "max_duration_s",
    "min_sample_rate",
    "max_sample_rate",
    "max_channels",
    "max_decoded_samples",
    "max_recording_s",
    "max_recording_samples",
    "decoder_cpu_s",
    "decoder_memory_bytes",
)
"""What decides the answer to a clip: the version, the thresholds, and the bounds of what is answered at all."""


class LocalSettings(Settings):
    """Settings of a gateway within this process, which has no use for those of a service."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        *_environment: PydanticBaseSettingsSource,
        **_and_files: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but what is given: not the environment."""
        return (init_settings,)


def local_settings(**own: Any) -> Settings:
    """`own`, and OF_ANSWERS from the environment. Raises UsageError for a variable that is out of bounds."""
    given = {name: value for name in OF_ANSWERS if (value := os.environ.get(variable(name)))}
    return _checked(LocalSettings, {**given, **own})


def service_settings(variables: Mapping[str, str]) -> Settings:
    """Those of a gateway with this environment and `variables`. Raises UsageError for one that is out of bounds."""
    given = {name.removeprefix(PREFIX).lower(): value or None for name, value in variables.items()}
    return _checked(Settings, given)


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def _checked(kind: type[Settings], given: Mapping[str, Any]) -> Settings:
    try:
        return kind(**given)
    except ValidationError as error:
        raise UsageError("\n".join(_sentence(each["loc"], each["msg"]) for each in error.errors())) from error


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if where:
        return f"{variable(str(where[0]))}: {message}"
    # What contradicts another setting names both, as fields.
    return re.sub(rf"\b({'|'.join(Settings.model_fields)})\b", lambda field: variable(field[0]), message)
