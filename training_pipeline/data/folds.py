"""Splits of clips into training and test indices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from training_pipeline.data import ravdess
from training_pipeline.data.manifest import Clip
from training_pipeline.errors import DataError

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Fold:
    """Indices of a fold's training and test clips."""

    train: Indices
    test: Indices


def speaker_folds(clips: Sequence[Clip], count: int = 5) -> list[Fold]:
    """Folds that never hear a test speaker in training: RAVDESS's published ones, else speakers in turn.

    Raises DataError if there are fewer speakers than folds.
    """
    speakers = sorted({clip.speaker for clip in clips})
    if {f"{n:02d}" for n in range(1, ravdess.ACTORS + 1)} == set(speakers) and count == len(ravdess.FOLDS):
        groups = [{f"{actor:02d}" for actor in actors} for actors in ravdess.FOLDS]
    else:
        if len(speakers) < count:
            raise DataError(f"{count} folds need as many speakers, there are {len(speakers)}")
        groups = [set(speakers[n::count]) for n in range(count)]
    return [_fold(np.array([clip.speaker in group for clip in clips])) for group in groups]


def random_folds(clips: Sequence[Clip], count: int = 5, seed: int = 0) -> list[Fold]:
    """Folds that share speakers between training and test: only to show how much that flatters.

    Raises DataError if a label has fewer clips than there are folds.
    """
    labels = [clip.label for clip in clips]
    scarce = sorted(label for label, clips_of_it in Counter(labels).items() if clips_of_it < count)
    if scarce:
        raise DataError(f"{count} folds need as many clips of each label, there are fewer of {', '.join(scarce)}")
    splitter = StratifiedKFold(count, shuffle=True, random_state=seed)
    return [Fold(train, test) for train, test in splitter.split(np.zeros(len(clips)), labels)]


def _fold(is_test: npt.NDArray[np.bool_]) -> Fold:
    return Fold(np.flatnonzero(~is_test), np.flatnonzero(is_test))
