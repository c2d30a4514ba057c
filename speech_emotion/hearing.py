"""What samples hold as they come: windows, whether there is speech in each, and warnings about the recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from speech_emotion.audio import AudioInfo, QualityLimits
from speech_emotion.audio.activity import Activity
from speech_emotion.audio.quality import QualityWarning, at_full_scale, warnings_of
from speech_emotion.audio.signal import Preparer
from speech_emotion.errors import EmptyAudioError, StrideError
from speech_emotion.features import FeatureSpec, Window, Windows
from speech_emotion.invalid import first_fault

Array = npt.NDArray[np.float32]

_PIECE = 2**19
"""Samples of each channel that are heard at once: what is made of a long block on the way takes bounded memory."""


@dataclass(frozen=True)
class HeardWindow:
    """A window of what a Listener heard.

    `start_s` and `end_s` in seconds from the first sample, and not after the last one; `level_dbfs` of its speech, None
    without any; `features` float32 `[frames, bins]`, None without speech, as a model is not asked about it.
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
        Channels of each block; several are mixed into one (`speech_emotion.audio.signal.Mixer`).
    spec : FeatureSpec
        Of the model that is to hear them: sample rate, resampler, windows, features.
    limits : QualityLimits
        Thresholds of speech and of warnings.

    How the samples are cut into blocks changes neither windows nor levels, and features by rounding alone. A window is
    given once half a transform of the spec beyond its end is heard; what comes later does not change it
    (`speech_emotion.audio.activity`). Before that, the resampler holds back up to 0.1 s, and the mixture of several
    channels half a second. Memory is bounded by the spec's window.
    """

    def __init__(self, sample_rate: int, channels: int, spec: FeatureSpec, limits: QualityLimits) -> None:
        self._sample_rate = sample_rate
        self._spec = spec
        self._limits = limits
        self._channels = channels
        self._samples = self._full_scale = 0
        self._preparer = Preparer(sample_rate, channels, spec.sample_rate, spec.resampler)
        self._activity = Activity(spec.sample_rate, limits)
        self._windows = Windows(spec)
        self._loudest_speech: float | None = None

    @property
    def heard_s(self) -> float:
        """Seconds heard so far."""
        return self._samples / self._sample_rate

    @property
    def warnings(self) -> tuple[QualityWarning, ...]:
        """Warnings about what was heard so far; those about speech are of the windows that were given."""
        if not self._samples:
            return ()
        loudest = self._activity.loudest_dbfs if self._loudest_speech is None else self._loudest_speech
        full_scale = self._full_scale / (self._channels * self._samples)
        return warnings_of(full_scale, self._sample_rate, self._spec.sample_rate, loudest, self._limits)

    def hear(self, block: Array) -> list[HeardWindow]:
        """The windows that are known with `block`, float32 `[channels, samples]`, which may have no samples."""
        pieces = (block[:, start : start + _PIECE] for start in range(0, block.shape[1], _PIECE))
        return [window for piece in pieces for window in self._hear(piece)]

    def end(self) -> list[HeardWindow]:
        """The windows that are left, of which the last ends with what was heard.

        Raises EmptyAudioError if no samples came. Nothing can be heard after that.
        """
        if not self._samples:
            raise EmptyAudioError("the audio has no samples")
        mono = self._preparer.end()
        self._activity.add(mono)
        self._activity.end()
        heard = self._heard(self._windows.add(mono))
        *others, last = self._heard(self._windows.end())
        return [*heard, *others, replace(last, end_s=self.heard_s)]

    def _hear(self, block: Array) -> list[HeardWindow]:
        self._samples += block.shape[1]
        self._full_scale += at_full_scale(block)
        mono = self._preparer.add(block)
        self._activity.add(mono)
        return self._heard(self._windows.add(mono))

    def _heard(self, windows: Sequence[Window]) -> list[HeardWindow]:
        heard = []
        for window in windows:
            level = self._activity.speech_level(window.start_s, window.end_s)
            features = None
            if level is not None:
                features = self._windows.features(window)
                self._loudest_speech = max(level, level if self._loudest_speech is None else self._loudest_speech)
            # Resampled, what was heard may be longer or shorter by part of a sample.
            start_s, end_s = min(window.start_s, self.heard_s), min(window.end_s, self.heard_s)
            heard.append(HeardWindow(start_s, end_s, level, features))
            self._activity.forget(window.start_s)
        return heard


@dataclass(frozen=True)
class Heard:
    """A whole clip as a model with one FeatureSpec hears it: its windows in order, and warnings about it."""

    info: AudioInfo
    windows: tuple[HeardWindow, ...]
    warnings: tuple[QualityWarning, ...]

    @property
    def spans(self) -> tuple[tuple[float, float], ...]:
        """Start and end of each window in seconds."""
        return tuple((window.start_s, window.end_s) for window in self.windows)

    @property
    def speech(self) -> npt.NDArray[np.bool_]:
        """Whether each window holds speech."""
        return np.array([window.level_dbfs is not None for window in self.windows])


def hear(samples: Array, info: AudioInfo, spec: FeatureSpec, limits: QualityLimits) -> Heard:
    """All that a Listener hears of a clip.

    Parameters
    ----------
    samples : float32 `[channels, samples]` at `info.sample_rate` Hz, full scale 1
    info : AudioInfo
        What was decoded.
    spec, limits
        As a Listener takes them.

    Raises EmptyAudioError if there are no samples.
    """
    listener = Listener(info.sample_rate, len(samples), spec, limits)
    windows = (*listener.hear(samples), *listener.end())
    return Heard(info, windows, listener.warnings + (("damaged",) if info.damaged else ()))


def hear_channels(samples: Array, info: AudioInfo, spec: FeatureSpec, limits: QualityLimits) -> list[Heard]:
    """What `hear` gives of each channel alone, in order: nothing is mixed."""
    return [hear(samples[channel : channel + 1], info, spec, limits) for channel in range(len(samples))]


def spoken_features(heard: Heard, spec: FeatureSpec) -> Array:
    """Features of the windows with speech, `[windows, frames, bins]`: all that a model is asked about."""
    features = [window.features for window in heard.windows if window.features is not None]
    return np.stack(features) if features else np.empty((0, spec.frames, spec.bins), np.float32)


def with_stride(spec: FeatureSpec, stride_s: float) -> FeatureSpec:
    """The specification with `stride_s` seconds between the starts of windows: each has the features that it had.

    Raises StrideError where the specification's bounds do not allow that: a stride longer than the window would leave
    audio out, and a short one asks for more values than a second of audio may become.
    """
    try:
        return FeatureSpec.model_validate({**spec.model_dump(), "stride_s": stride_s})
    except ValidationError as error:
        _, fault = first_fault(error)
        raise StrideError(f"windows cannot start every {stride_s:g} s: {fault}") from error
