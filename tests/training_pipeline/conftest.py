from __future__ import annotations

from pathlib import Path

import pytest

from speech_emotion.features import SEED_SPEC
from training_pipeline.data.clips import Clip, read_clips
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.synthetic import EMOTIONS, write_synthetic
from training_pipeline.training.examples import Examples
from training_pipeline.training.features import examples_of


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic(tmp_path_factory.mktemp("synthetic"), speakers=5, takes=2)


@pytest.fixture(scope="session")
def clips(manifest: Path) -> list[Clip]:
    return read_clips(manifest)


@pytest.fixture(scope="session")
def data_set(clips: list[Clip]) -> DataSet:
    return DataSet(clips, EMOTIONS)


@pytest.fixture(scope="session")
def examples(data_set: DataSet) -> Examples:
    return examples_of(data_set, SEED_SPEC)
