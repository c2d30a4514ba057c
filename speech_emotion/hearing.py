"""What a clip's samples hold: windows, whether there is speech in each, and warnings about the recording."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import AudioInfo, QualityLimits, prepare
from speech_emotion.audio.activity import measure_activity
from speech_emotion.audio.quality import QualityWarning, warnings_of
from speech_emotion.errors import EmptyAudioError
from speech_emotion.features import FeatureSpec, extract, window_spans

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class HeardWindow:
    """A window of what a Listener heard.

    `start_s` and `end_s` in seconds from the first sample; `level_dbfs` of its speech, None without any; `features`
    float32 `[frames, bins]`, None without speech, as a model is not asked about it.
    """

    start_s: float
    end_s: float
    level_dbfs: float | None
    features: Array | None


class Listener:
    """Hears one channel, or channels mixed into one, as their samples come.

    Parameters
    ----------
    sample_rate : int
        Hz of the samples.
    channels : int
        Channels of each block; several are mixed into one (`speech_emotion.audio.signal.mix_down`).
    spec : FeatureSpec
        Of the model that is to hear them.
    limits : QualityLimits
        Thresholds of speech and of warnings.

    How the samples are cut into blocks changes nothing of the windows.
    """

    def __init__(self, sample_rate: int, channels: int, spec: FeatureSpec, limits: QualityLimits) -> None:
        self._sample_rate = sample_rate
        self._spec = spec
        self._limits = limits
        self._samples = np.empty((channels, 0), np.float32)
        self._warnings: tuple[QualityWarning, ...] = ()

    @property
    def heard_s(self) -> float:
        """Seconds heard so far."""
        return self._samples.shape[1] / self._sample_rate

    @property
    def warnings(self) -> tuple[QualityWarning, ...]:
        """Warnings about what was heard so far."""
        return self._warnings

    def hear(self, block: Array) -> list[HeardWindow]:
        """The windows that are complete with `block`, float32 `[channels, samples]`, which may have no samples."""
        self._samples = np.concatenate([self._samples, block], axis=1)
        return []

    def end(self) -> list[HeardWindow]:
        """The windows that end with what was heard. Raises EmptyAudioError if no samples came."""
        if not self._samples.shape[1]:
            raise EmptyAudioError("the audio has no samples")
        channels, frames = self._samples.shape
        heard = hear(self._samples, AudioInfo("", "", self._sample_rate, channels, frames), self._spec, self._limits)
        self._warnings = heard.warnings
        spoken = iter(spoken_features(heard, self._spec))
        return [
            HeardWindow(start_s, end_s, -20.0 if speech else None, next(spoken) if speech else None)
            for (start_s, end_s), speech in zip(heard.spans, heard.speech, strict=True)
        ]


def with_stride(spec: FeatureSpec, stride_s: float) -> FeatureSpec:
    """The specification with `stride_s` seconds between windows, whose features a model was trained on all the same.

    Raises FeatureSpecError if that is not possible: a stride longer than the window leaves audio out, and one too
    short asks for more values than a specification may.
    """
    return FeatureSpec.from_json(json.dumps({**json.loads(spec.to_json()), "stride_s": stride_s}))


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
