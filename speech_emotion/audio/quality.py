"""Whether a clip holds speech at all, and what makes its answer less sure: levels only, no model.

Levels are band-limited: the power between 200 and 4000 Hz, where speech has its harmonics and formants,
and mains hum, rumble and an offset have little; a full-scale sine in the band has -3 dBFS.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

QualityWarning = Literal["clipped", "very_quiet", "low_sample_rate", "damaged"]

BAND_HZ = (200.0, 4_000.0)
FRAME_S, HOP_S = 0.064, 0.032
SUSTAINED_FRAMES = 3
"""A level counts if three frames (0.13 s) hold it: syllables do, clicks do not."""
ACTIVE_RANGE_DB = 30.0
"""What is further below the loudest sustained level is background; vowels and consonants span about 25 dB."""
STEADY_S = 1.0
"""Shorter sounds are not called steady: half a second of speech may be one vowel."""
STEADY_PERCENTILE = 25
FULL_SCALE = 0.99
"""8-bit audio ends at 0.992."""
_FLOOR_DBFS = -140.0
_BLOCK_FRAMES = 256


@dataclass(frozen=True)
class QualityLimits:
    """Thresholds, in dBFS (as above), seconds, dB and shares."""

    silence_dbfs: float = -70.0
    min_speech_s: float = 0.2
    min_level_range_db: float = 2.0
    very_quiet_dbfs: float = -55.0
    clipped_ratio: float = 0.001


class Activity:
    """Where in a clip something like speech is heard."""

    def __init__(self, levels: npt.NDArray[np.float64], limits: QualityLimits) -> None:
        """`levels`: dBFS of each hop, `[hops]`, as `sustained_levels` gives them."""
        self._levels = levels
        self._limits = limits
        self.loudest_dbfs = float(levels.max())
        self._threshold = max(limits.silence_dbfs, self.loudest_dbfs - ACTIVE_RANGE_DB)

    def has_speech(self, start_s: float, end_s: float) -> bool:
        """Whether this part of the clip holds speech: loud enough, long enough, and not steady.

        Loud enough: above `silence_dbfs` and no more than 30 dB under the clip's loudest level. Steady, as noise,
        tones and hum are: one second or more whose loudest level is within `min_level_range_db` of the lower quartile.
        """
        part = self._levels[round(start_s / HOP_S) : max(1, round(end_s / HOP_S))]
        active = part[part > self._threshold]
        seconds = active.size * HOP_S
        if seconds < self._limits.min_speech_s:
            return False
        spread = active.max() - np.percentile(active, STEADY_PERCENTILE)
        return bool(seconds < STEADY_S or spread >= self._limits.min_level_range_db)


def measure_activity(samples: npt.NDArray[np.float32], rate: int, limits: QualityLimits) -> Activity:
    """The activity of mono `[samples]` at `rate` Hz."""
    return Activity(sustained_levels(samples, rate), limits)


def sustained_levels(samples: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.float64]:
    """Level in dBFS of each hop of 32 ms, `[hops]`: the most that three neighbouring frames all reach."""
    levels = np.concatenate(list(_frame_levels(samples, rate)))
    edge = np.full(SUSTAINED_FRAMES - 1, _FLOOR_DBFS)
    held = sliding_window_view(np.pad(levels, (0, max(0, SUSTAINED_FRAMES - levels.size)), "edge"), SUSTAINED_FRAMES)
    held_by_all = np.concatenate([edge, held.min(axis=1), edge])
    return np.asarray(sliding_window_view(held_by_all, SUSTAINED_FRAMES).max(axis=1))


def warnings_of(
    samples: npt.NDArray[np.float32], sample_rate: int, heard_rate: int, activity: Activity, limits: QualityLimits
) -> tuple[QualityWarning, ...]:
    """Warnings about a clip `[channels, samples]` at `sample_rate` Hz that a model hears at `heard_rate` Hz.

    `clipped`: more than `clipped_ratio` of the samples are at full scale. `very_quiet`: the loudest sustained level
    is under `very_quiet_dbfs`. `low_sample_rate`: what the model was trained to hear is not in the recording.
    """
    found: list[QualityWarning] = []
    clipped = sum(np.count_nonzero(np.abs(channel) >= FULL_SCALE) for channel in samples)
    if clipped > limits.clipped_ratio * samples.size:
        found.append("clipped")
    if activity.loudest_dbfs < limits.very_quiet_dbfs:
        found.append("very_quiet")
    if sample_rate < heard_rate:
        found.append("low_sample_rate")
    return tuple(found)


def _frame_levels(samples: npt.NDArray[np.float32], rate: int) -> Iterator[npt.NDArray[np.float64]]:
    """Level of each frame in the band (Hann window, one-sided power by Parseval), a bounded block at a time."""
    size, hop = round(FRAME_S * rate), round(HOP_S * rate)
    frames = sliding_window_view(np.pad(samples, (0, max(0, size - samples.size))), size)[::hop]
    window = np.hanning(size + 1)[:-1]
    frequencies = np.fft.rfftfreq(size, 1 / rate)
    band = (frequencies >= BAND_HZ[0]) & (frequencies <= BAND_HZ[1])
    for start in range(0, len(frames), _BLOCK_FRAMES):
        spectrum = np.fft.rfft(frames[start : start + _BLOCK_FRAMES] * window)[:, band]
        power = 2 * np.square(np.abs(spectrum)).sum(axis=1) / (size * np.square(window).sum())
        yield 10 * np.log10(power + 10 ** (_FLOOR_DBFS / 10))
