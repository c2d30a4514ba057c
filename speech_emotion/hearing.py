"""What a clip's samples hold: windows, whether there is speech in each, and warnings about the recording."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import AudioInfo, QualityLimits, prepare
from speech_emotion.audio.activity import measure_activity
from speech_emotion.audio.quality import QualityWarning, warnings_of
from speech_emotion.features import FeatureSpec, extract, window_spans

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Heard:
    """A clip as a model with one FeatureSpec hears it.

    `mono` float32 `[samples]` at the spec's rate; `spans` (start and end in seconds) and `speech` (whether there is
    any) of each window, in `extract`'s order.
    """

    info: AudioInfo
    mono: Array
    spans: tuple[tuple[float, float], ...]
    speech: npt.NDArray[np.bool_]
    warnings: tuple[QualityWarning, ...]


def hear(samples: Array, info: AudioInfo, spec: FeatureSpec, limits: QualityLimits) -> Heard:
    """Mix down, resample, and look for speech in each window.

    Parameters
    ----------
    samples : float32 `[channels, samples]` at `info.sample_rate` Hz, full scale 1
    info : AudioInfo
        What was decoded.
    spec : FeatureSpec
        Of the model that is to hear it: sample rate, resampler, windows.
    limits : QualityLimits
        Thresholds of speech and of warnings.

    Whether a window holds speech depends on nothing after its end (`speech_emotion.audio.activity`).
    """
    mono = prepare(samples, info.sample_rate, spec.sample_rate, spec.resampler)
    activity = measure_activity(mono, spec.sample_rate, limits)
    spans = tuple(window_spans(mono.size, spec))
    levels = [activity.speech_level(start, end) for start, end in spans]
    speech = np.array([level is not None for level in levels])
    loudest = max((level for level in levels if level is not None), default=activity.loudest_dbfs)
    warnings = warnings_of(samples, info.sample_rate, spec.sample_rate, loudest, limits)
    if info.damaged:
        warnings += ("damaged",)
    return Heard(info, mono, spans, speech, warnings)


def hear_channels(samples: Array, info: AudioInfo, spec: FeatureSpec, limits: QualityLimits) -> list[Heard]:
    """What `hear` gives of each channel alone, in order: nothing is mixed."""
    return [hear(samples[channel : channel + 1], info, spec, limits) for channel in range(len(samples))]


def spoken_features(heard: Heard, spec: FeatureSpec) -> Array:
    """Features of the windows with speech, `[windows, frames, bins]`: all that a model is asked about."""
    if not heard.speech.any():
        return np.empty((0, spec.frames, spec.bins), np.float32)
    return extract(heard.mono, spec)[heard.speech]
