from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from speech_emotion.features import SEED_SPEC
from training_pipeline.data.clips import Clip
from training_pipeline.errors import DataError
from training_pipeline.training.features import extract_all


def test_features_come_from_the_cache_the_second_time(clips: list[Clip], tmp_path: Path) -> None:
    first = extract_all(clips[:2], SEED_SPEC, tmp_path)
    cached = list(tmp_path.rglob("*.npy"))
    assert len(cached) == 2
    np.save(cached[0], np.zeros_like(first[0]))
    second = extract_all(clips[:2], SEED_SPEC, tmp_path)
    assert sum(not feature.any() for feature in second) == 1


def test_an_unreadable_clip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=re.escape(str(path))):
        extract_all([Clip(path, "a", "1")], SEED_SPEC)


def test_features_are_made_with_one_thread_of_blas(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def extract(*_: object) -> np.ndarray:
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return np.zeros((1, 2, 3), np.float32)

    monkeypatch.setattr("training_pipeline.training.features.extract", extract)
    with threadpool_limits(2, user_api="blas"):
        extract_all(clips[:2], SEED_SPEC)
    assert set(threads) == {1}


def test_edited_code_hears_the_clips_anew(clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract_all(clips[:1], SEED_SPEC, tmp_path)
    monkeypatch.setattr("training_pipeline.training.features.sources", lambda *_: "edited")
    extract_all(clips[:1], SEED_SPEC, tmp_path)
    assert len(list(tmp_path.rglob("*.npy"))) == 2
