"""What makes a recording hard to judge: thresholds and warnings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

QualityWarning = Literal["clipped", "very_quiet", "low_sample_rate", "damaged"]
QUALITY_WARNINGS: tuple[QualityWarning, ...] = get_args(QualityWarning)

FULL_SCALE = 0.99
"""8-bit audio ends at 0.992."""


@dataclass(frozen=True)
class QualityLimits:
    """Thresholds, in dBFS (as `speech_emotion.audio.activity` measures them), seconds, dB and shares."""

    silence_dbfs: float = -70.0
    min_speech_s: float = 0.2
    min_level_range_db: float = 2.0
    very_quiet_dbfs: float = -55.0
    clipped_ratio: float = 0.001


def at_full_scale(samples: npt.NDArray[np.float32]) -> int:
    """How many `samples` of any shape are at full scale, or beyond it."""
    if max(samples.max(initial=0), -samples.min(initial=0)) < FULL_SCALE:  # true of most recordings, and copies nothing
        return 0
    return int(np.count_nonzero(np.abs(samples) >= FULL_SCALE))


def warnings_of(
    full_scale: float, sample_rate: int, heard_rate: int, loudest_dbfs: float, limits: QualityLimits
) -> tuple[QualityWarning, ...]:
    """Warnings about a recording.

    Parameters
    ----------
    full_scale : float
        The share of its samples that is at full scale.
    sample_rate : int
        Hz of the samples.
    heard_rate : int
        Hz at which a model hears them.
    loudest_dbfs : float
        The loudest level of the speech, of anything where there is no speech.
    limits : QualityLimits
        Of which `very_quiet_dbfs` and `clipped_ratio` count.

    Returns
    -------
    `clipped`: more than `clipped_ratio` of the samples are at full scale. `very_quiet`: the loudest level is under
    `very_quiet_dbfs`. `low_sample_rate`: what the model was trained to hear is not in the recording.
    """
    found: list[QualityWarning] = []
    if full_scale > limits.clipped_ratio:
        found.append("clipped")
    if loudest_dbfs < limits.very_quiet_dbfs:
        found.append("very_quiet")
    if sample_rate < heard_rate:
        found.append("low_sample_rate")
    return tuple(found)
