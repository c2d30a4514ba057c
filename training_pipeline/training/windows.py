"""A data set's windows through a model, and back to one row for each clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

BATCH = 16
"""Windows at once: each may take tens of megabytes inside a network, and a gRPC message of 4 MB holds about 30."""


def in_batches(model: Callable[[Array], Any], windows: Array) -> Array:
    """What `model` makes of `windows` `[n, frames, bins]`, a batch at a time: `[n, emotions]`."""
    return np.concatenate([np.asarray(model(windows[n : n + BATCH])) for n in range(0, len(windows), BATCH)])


def per_clip(probabilities: npt.NDArray[Any], features: Sequence[Array]) -> npt.NDArray[np.float64]:
    """Windows' probabilities `[windows, emotions]` to the mean over each clip's windows `[clips, emotions]`."""
    ends = np.cumsum([len(feature) for feature in features])
    return np.stack([part.mean(axis=0) for part in np.split(probabilities, ends[:-1])])
