from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from speech_emotion.features import SEED_SPEC
from tests.support import savedmodels
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

LABELS = ("joy", "sorrow", "calm")
CONFIG = """
model_config_list {{ config {{ name: "speech_emotion" base_path: "{base}" model_platform: "tensorflow"
  model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: {stable} }} }} }}
"""
FLAGS = (
    "--model_config_file_poll_wait_seconds=1",
    "--file_system_poll_wait_seconds=1",
    "--allow_version_labels_for_unavailable_models=true",
)


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions that can be told apart, `stable` is version 1."""
    folder = tmp_path_factory.mktemp("store")
    for version in (1, 2):
        path = folder / "speech_emotion" / str(version)
        savedmodels.write_linear(path, SEED_SPEC.to_json(), LABELS, seed=version, bins=SEED_SPEC.bins)
    (folder / "models.config").write_text(CONFIG.format(base=folder / "speech_emotion", stable=1))
    return folder


@pytest.fixture(scope="package")
def model_server(store: Path) -> Iterator[ModelServer]:
    with ModelServer(*FLAGS, config_file=store / "models.config") as server:
        yield server


@pytest.fixture(scope="package")
def gateway(model_server: ModelServer) -> Iterator[Gateway]:
    limits = {
        "max_body_bytes": 1_000_000,
        "max_duration_s": 20,
        "max_channels": 2,
        "max_batch": 2,
        "max_recording_s": 120,
    }
    with Gateway(model_server.address, **limits) as running:
        yield running
