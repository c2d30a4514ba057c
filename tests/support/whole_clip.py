"""What is heard of a whole clip at once, by librosa's own transform: what hearing piece by piece is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import librosa
import numpy as np
import numpy.typing as npt
import soxr

from speech_emotion.audio import QualityLimits
from speech_emotion.audio.activity import PAST_S, speech_level
from speech_emotion.audio.levels import FRAME_S, HOP_S, frame_levels
from speech_emotion.features import FeatureSpec, Spectrum
from speech_emotion.features.columns import Columns

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class WholeWindow:
    start_s: float
    end_s: float
    level_dbfs: float | None
    features: Array


def resampled(mono: Array, sample_rate: int, spec: FeatureSpec) -> Array:
    quality = spec.resampler.removeprefix("soxr_")
    return mono if sample_rate == spec.sample_rate else soxr.resample(mono, sample_rate, spec.sample_rate, quality)


def whole_clip(mono: Array, spec: FeatureSpec, limits: QualityLimits) -> list[WholeWindow]:
    """The windows of mono `[samples]` at the specification's rate, as docs/architecture.md says that they are."""
    magnitude = _magnitude(mono, spec)
    frames = spec.frames_of(max(mono.size, spec.n_fft))
    last, duration_s = max(0, frames - spec.window_frames), mono.size / spec.sample_rate
    starts = [*range(0, last, spec.stride_frames), last]
    starts_s = [min(start * spec.hop_length / spec.sample_rate, duration_s) for start in starts]
    ends_s = [*(min(start + spec.window_s, duration_s) for start in starts_s[:-1]), duration_s]
    levels = frame_levels(mono, spec.sample_rate)
    return [
        WholeWindow(start_s, end_s, _level(levels, start_s, end_s, spec.sample_rate, limits), features)
        for start_s, end_s, features in zip(
            starts_s, ends_s, (_features(magnitude[:, n : n + spec.window_frames], spec) for n in starts), strict=True
        )
    ]


def cut(samples: Array, cuts: list[int]) -> list[Array]:
    """Blocks `[channels, n]`, cut at these samples; a place that occurs twice makes an empty block."""
    places = [0, *sorted(min(place, samples.shape[1]) for place in cuts), samples.shape[1]]
    return [samples[:, first:last] for first, last in pairwise(places)]


def spectrum_of(magnitude: Array, spec: FeatureSpec) -> Spectrum:
    """The spectrum whose magnitude `[1 + n_fft // 2, frames]` is known, whatever the signal is."""
    return Spectrum(_Known(magnitude, spec), 0, magnitude.shape[1])


class _Known(Columns):
    def __init__(self, magnitude: Array, spec: FeatureSpec) -> None:
        super().__init__(spec)
        self._power.append(np.square(magnitude.T))


def _magnitude(mono: Array, spec: FeatureSpec) -> Array:
    least = max(spec.n_fft, spec.window_samples if spec.padding == "zeros" else 0)
    transform = librosa.stft(
        np.pad(mono, (0, max(0, least - mono.size))),
        n_fft=spec.n_fft,
        hop_length=spec.hop_length,
        win_length=spec.win_length,
        window=spec.window,
        pad_mode=spec.pad_mode,
    )
    return np.abs(transform)


def _features(magnitude: Array, spec: FeatureSpec) -> Array:
    spectrum = spectrum_of(magnitude, spec)
    values = np.concatenate([block.compute(spectrum) for block in spec.blocks])
    if spec.aggregate == "none":
        return values.T
    mean, deviation = values.mean(axis=1), values.std(axis=1)
    return (mean if spec.aggregate == "mean" else np.concatenate([mean, deviation]))[np.newaxis]


def _level(
    levels: npt.NDArray[np.float64], start_s: float, end_s: float, rate: int, limits: QualityLimits
) -> float | None:
    size, hop = round(FRAME_S * rate), round(HOP_S * rate)
    start, end = round(start_s * rate / hop), max(1, (round(end_s * rate) - size) // hop + 1)
    past = max(0, start - round(PAST_S * rate / hop))
    return speech_level(levels[past:end], start - past, hop / rate, limits)
