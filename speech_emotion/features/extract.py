"""Samples to a model's input."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speech_emotion.errors import EmptyAudioError
from speech_emotion.features.spec import FeatureSpec
from speech_emotion.features.windows import Windows

Array = npt.NDArray[np.float32]


def extract(samples: Array, spec: FeatureSpec) -> Array:
    """Features of a clip.

    Parameters: `samples`, mono float32 `[n]` at `spec.sample_rate` Hz.
    Returns: float32 `[windows, spec.frames, spec.bins]`, windows as `window_spans` gives them.
    Raises: EmptyAudioError if there are no samples.

    A window's features depend on its own frames alone, so a clip's windows can be answered in any batch.
    """
    if not samples.size:
        raise EmptyAudioError("the audio has no samples")
    windows = Windows(spec)
    found = [windows.features(window) for window in windows.add(samples)]
    return np.stack(found + [windows.features(window) for window in windows.end()])
