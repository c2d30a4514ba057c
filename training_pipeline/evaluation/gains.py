"""What one model brings over another: their kept predictions, paired by clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pipeline.errors import DataError
from training_pipeline.evaluation.predictions import Run, confidence_of

DRAWS, LEVEL = 10_000, 0.95
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Gain:
    """A difference of accuracies, and its interval, which is not known of one speaker."""

    accuracy: float
    interval: tuple[float, float] | None


def gain(before: Sequence[Run], after: Sequence[Run], seed: int = 0) -> Gain:
    """Accuracy of `after` less that of `before`, both as `measure_runs` has them: means over folds and seeds.

    The interval is a percentile bootstrap over speakers, as clips of one speaker are not independent: each drawn
    speaker brings what both models said of its clips. It does not know what other seeds would bring.
    Raises DataError unless both heard the same clips in the same folds.
    """
    clips = _clips(before[0])
    if clips != _clips(after[0]):
        raise DataError("only predictions of the same clips in the same folds can be compared")
    difference = _share_right(after) - _share_right(before)
    folds = np.array(list(clips.values()))
    sizes = np.bincount(folds)
    weight = 1 / (np.count_nonzero(sizes) * sizes[folds])
    names = {str(clip.path): clip.speaker for clip in before[0].examples.clips}
    _, speaker = np.unique([names[name] for name in clips], return_inverse=True)
    gained, weights = np.bincount(speaker, weight * difference), np.bincount(speaker, weight)
    drawn = np.random.default_rng(seed).integers(0, len(weights), (DRAWS, len(weights)))
    gains = gained[drawn].sum(axis=1) / weights[drawn].sum(axis=1)
    low, high = np.quantile(gains, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Gain(float(gained.sum()), (float(low), float(high)) if len(weights) > 1 else None)


def _clips(run: Run) -> dict[str, int]:
    """The fold of each clip, by name."""
    names = [str(clip.path) for clip in run.examples.clips]
    return dict(sorted(zip(names, run.predictions.fold.tolist(), strict=True)))


def _share_right(runs: Sequence[Run]) -> Array:
    """For each clip, by name, the share of seeds that name it right."""
    right = []
    for run in runs:
        order = np.argsort([str(clip.path) for clip in run.examples.clips])
        right.append(confidence_of(run)[1][order])
    return np.asarray(np.mean(right, axis=0))
