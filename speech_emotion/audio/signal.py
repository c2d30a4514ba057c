"""Samples to the one channel and the one rate that a feature specification asks for."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import soxr

Resampler = Literal["soxr_hq", "soxr_vhq"]
_QUALITY = {"soxr_hq": "HQ", "soxr_vhq": "VHQ"}


def prepare(
    samples: npt.NDArray[np.float32], sample_rate: int, target_rate: int, resampler: Resampler = "soxr_hq"
) -> npt.NDArray[np.float32]:
    """Mix `[channels, samples]` down to their mean and resample to `target_rate` Hz.

    Returns float32 `[ceil(samples * target_rate / sample_rate)]`, give or take one; with equal rates the
    mean itself. Resampling is libsoxr's (`HQ` has a 20-bit pass band), as in librosa's default.
    """
    mono = samples[0] if samples.shape[0] == 1 else samples.mean(axis=0, dtype=np.float32)
    if sample_rate == target_rate:
        return np.ascontiguousarray(mono, np.float32)
    resampled = soxr.resample(mono, sample_rate, target_rate, quality=_QUALITY[resampler])
    return np.ascontiguousarray(resampled, np.float32)
