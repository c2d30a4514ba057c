from __future__ import annotations

from pathlib import Path

import pytest

from speech_emotion.features import SEED_SPEC
from training_pipeline.data.manifest import Clip, read_manifest
from training_pipeline.data.synthetic import LABELS, write_synthetic
from training_pipeline.training.features import extract_all
from training_pipeline.training.train import Examples


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic(tmp_path_factory.mktemp("synthetic"), speakers=5, takes=2)


@pytest.fixture(scope="session")
def clips(manifest: Path) -> list[Clip]:
    return read_manifest(manifest)


@pytest.fixture(scope="session")
def examples(clips: list[Clip]) -> Examples:
    return Examples.of(clips, extract_all(clips, SEED_SPEC), LABELS)
