"""Settings as a process reads them: from its environment, with bounds, and no contradictions."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from preprocess_gateway.settings import Settings
from speech_emotion.audio import DecoderOptions, Limits, QualityLimits
from speech_emotion.input_files import MAX_CLIP_BYTES


@pytest.mark.parametrize(
    ("environment", "models"),
    [
        ({}, ("speech_emotion",)),
        ({"GATEWAY_MODEL_NAME": "edge"}, ("edge",)),
        ({"GATEWAY_MODEL_NAMES": "speech_emotion,edge"}, ("speech_emotion", "edge")),
        ({"GATEWAY_MODEL_NAMES": " edge , "}, ("edge",)),
        ({"GATEWAY_MODEL_NAMES": ""}, ("speech_emotion",)),
        ({"GATEWAY_MODEL_NAME": "edge", "GATEWAY_MODEL_NAMES": "edge,other"}, ("edge", "other")),
    ],
)
def test_models_are_named_by_one_variable_or_the_other(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], models: tuple[str, ...]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings().models == models


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Settings()
    for name in Settings.model_fields:
        monkeypatch.setenv(f"GATEWAY_{name.upper()}", "")
    assert Settings() == plain


def test_the_folder_for_recordings_must_be_one_that_can_be_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for name in ("absent", "file"):
        with pytest.raises(ValidationError, match="spool_dir"):
            Settings(spool_dir=tmp_path / name)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ValidationError, match="the folder cannot be written to"):
        Settings(spool_dir=tmp_path)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"GATEWAY_MODEL_NAMES": "edge,edge"}, "more than once"),
        ({"GATEWAY_MODEL_NAME": "a/b"}, "model_name"),
        ({"GATEWAY_MODEL_NAME": "a,b"}, "model_name"),
        ({"GATEWAY_MODEL_NAMES": "a/b"}, "model_names"),
        ({"GATEWAY_MODEL_NAMES": "../up"}, "model_names"),
        ({"GATEWAY_MODEL_NAME": "one", "GATEWAY_MODEL_NAMES": "two"}, "set one of them"),
    ],
)
def test_names_that_contradict_each_other_or_are_no_folder_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=said):
        Settings()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model_server_client_cert_file": "c.pem"}, "its key are needed together|needs the CA file"),
        ({"model_server_client_key_file": "k.pem"}, "needs the CA file"),
        ({"model_server_client_cert_file": "c.pem", "model_server_client_key_file": "k.pem"}, "needs the CA file"),
        ({"model_server_ca_file": "ca.pem", "model_server_client_cert_file": "c.pem"}, "needed together"),
        ({"model_server_ca_file": "ca.pem", "model_server_client_key_file": "k.pem"}, "needed together"),
        ({"min_sample_rate": 48_000, "max_sample_rate": 16_000}, "max_sample_rate is 16000"),
        ({"min_sample_rate": 200_000}, "max_sample_rate is 192000"),
        ({"max_held_bytes": 1_000_000}, "max_body_bytes is 16777216"),
        ({"max_body_bytes": 1024**3}, "max_held_bytes is 134217728"),
        ({"max_held_bytes": 1_000_000, "max_body_bytes": 1_000_000}, "1.25 times as much"),
        ({"max_spooled_bytes": 1024**3}, "max_recording_bytes is 1468006400"),
        ({"max_recordings": 9, "max_connections": 16}, "at least half of them"),
        ({"port": 9090}, "both 9090"),
        ({"canary_label": "stable", "canary_share": 0.1}, "both 'stable'"),
        ({"model_label": "canary", "shadow_share": 0.1}, "both 'canary'"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings(**settings)


def test_settings_that_agree_are_taken() -> None:
    files = {f"model_server_{name}_file": f"{name}.pem" for name in ("ca", "client_cert", "client_key")}
    assert Settings.model_validate(files).model_server_ca_file == Path("ca.pem")
    assert Settings(model_server_ca_file=Path("ca.pem")).model_server_client_key_file is None
    assert Settings(min_sample_rate=16_000, max_sample_rate=16_000).audio_limits.max_sample_rate == 16_000
    assert Settings(model_label="canary").canary_label == "canary"


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()),
        ("https://example.org", ("https://example.org",)),
        (" https://a.example , http://localhost:8080 ", ("https://a.example", "http://localhost:8080")),
        ("http://[::1]:8080", ("http://[::1]:8080",)),
        ("capacitor://localhost,*", ("capacitor://localhost", "*")),
    ],
)
def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch, value: str, origins: tuple[str, ...]) -> None:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", value)
    assert Settings().cors_origins == origins


@pytest.mark.parametrize(
    "value",
    ["example.org", "https://example.org/", "https://a.example/page", "https://*.example.org", "null", "https://"],
)
def test_what_is_no_origin_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("GATEWAY_CORS_ORIGINS", value)
    with pytest.raises(ValidationError, match="cors_origins"):
        Settings()


def test_the_limits_of_clips_and_of_decoders_have_the_grounds_defaults() -> None:
    settings = Settings()
    assert settings.audio_limits == Limits()
    assert settings.quality_limits == QualityLimits()
    assert settings.decoder_options == DecoderOptions(Limits())
    assert settings.max_body_bytes == MAX_CLIP_BYTES


@pytest.mark.parametrize("kind", [Limits, QualityLimits, DecoderOptions])
def test_a_limits_default_is_written_once(kind: type) -> None:
    """As text, so that two equal numbers are found too."""
    text = inspect.getsource(Settings)
    names = [field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING]
    used = [name for name in names if f"default={kind.__name__}.{name}" in text]
    assert used == [name for name in names if name not in ("niceness", "module")]
