from __future__ import annotations

from training_pipeline.data.clips import Clip
from training_pipeline.data.folds import random_folds


def test_random_folds_cover_every_clip(clips: list[Clip]) -> None:
    assert sum(len(fold.test) for fold in random_folds(clips)) == len(clips)
