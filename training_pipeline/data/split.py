"""Which clips a model is measured on: speakers that it never hears, the same ones at every retraining."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training_pipeline.data.folds import Fold, speaker_folds
from training_pipeline.data.manifest import Clip
from training_pipeline.errors import DataError

TEST_SPLIT = "test"
FOLDS = 5


def held_out(clips: Sequence[Clip]) -> Fold:
    """Clips whose `split` is `test`; where the manifest has none, those of the first speaker fold.

    Raises DataError if nothing is left to train on, or a fold cannot be made.
    """
    is_test = np.array([clip.split == TEST_SPLIT for clip in clips])
    if not is_test.any():
        return speaker_folds(clips, min(FOLDS, len({clip.speaker for clip in clips})))[0]
    if is_test.all():
        raise DataError(f"every clip is in the split `{TEST_SPLIT}`: none is left to train on")
    return Fold(np.flatnonzero(~is_test), np.flatnonzero(is_test))
