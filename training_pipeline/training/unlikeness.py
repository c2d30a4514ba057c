"""How unlike the recordings of training a window sounds: its room, its microphone, its band, rather than its words.

Source: Lee et al. 2018, A Simple Unified Framework for Detecting Out-of-Distribution Samples: the Mahalanobis distance
to the nearest of several centres with one covariance. There the centres are of classes and the values a network's; here
they are of corpora, and the values are the mean over time of the features, which no network has learnt to overlook.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pipeline.training.windows import in_batches

Array = npt.NDArray[np.float32]
DIRECTIONS = 16
"""Number of directions, those of the greatest scatter within a corpus. Few tell too little, and many add noise."""
SMALLEST_DEVIATION = 1e-3


@dataclass(frozen=True)
class Unlikeness:
    """Windows of features to distances from each corpus of training: about 1 for what is like it, more for others.

    `projection` `[bins, directions]` makes values of deviation 1 in every corpus out of a window's mean features, and
    `centres` `[corpora, directions]` are the means of these in each corpus.
    """

    projection: Array
    centres: Array

    @classmethod
    def of(cls, windows: Array, corpora: Sequence[str] | npt.NDArray[np.str_]) -> Unlikeness:
        """Measured on windows `[n, frames, bins]`, each of one of the `corpora` `[n]`, counted alike; by name."""
        values = in_batches(mean_features, windows).astype(np.float64)
        names, own = np.unique(np.asarray(corpora), return_inverse=True)
        centres = np.stack([values[own == number].mean(axis=0) for number in range(len(names))])
        apart = values - centres[own]
        covariance = np.mean([np.cov(apart[own == n].T, bias=True) for n in range(len(names))], axis=0)
        deviation = np.maximum(np.sqrt(np.diag(covariance)), SMALLEST_DEVIATION)
        scatter, directions = np.linalg.eigh(covariance / np.outer(deviation, deviation))
        chosen = [n for n in np.argsort(-scatter)[:DIRECTIONS] if scatter[n] > SMALLEST_DEVIATION]
        projection = directions[:, chosen] / deviation[:, np.newaxis] / np.sqrt(scatter[chosen])
        return cls(projection.astype(np.float32), (centres @ projection).astype(np.float32))

    def __call__(self, features: Any) -> Any:
        """Distances `[n, corpora]`, none below 0, of features `[n, frames, bins]`: mean squares over the directions."""
        from keras import ops

        apart = ops.matmul(mean_features(features), self.projection)[:, None] - self.centres
        return ops.mean(ops.square(apart), axis=2)


def mean_features(features: Any) -> Any:
    """Features `[n, frames, bins]` to their mean over time `[n, bins]`, without the silence that fills a window.

    Frames of it have the window's lowest value in every bin.
    """
    from keras import ops

    features = ops.convert_to_tensor(features)
    lowest = ops.min(features, axis=(1, 2), keepdims=True)
    heard = ops.cast(ops.max(features, axis=2, keepdims=True) > lowest, features.dtype)
    return ops.sum(features * heard, axis=1) / ops.maximum(ops.sum(heard, axis=1), 1)
