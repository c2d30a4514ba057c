"""Samples to a model's input: one short-time Fourier transform, cut into windows, then blocks."""

from __future__ import annotations

import librosa
import numpy as np
import numpy.typing as npt

from speech_emotion.errors import EmptyAudioError
from speech_emotion.features.spec import FeatureSpec
from speech_emotion.features.spectrum import Spectrum

Array = npt.NDArray[np.float32]


def extract(samples: Array, spec: FeatureSpec) -> Array:
    """Features of a clip.

    Parameters: `samples`, mono float32 `[n]` at `spec.sample_rate` Hz.
    Returns: float32 `[windows, spec.frames, spec.bins]`, windows as `window_starts` gives them.
    Raises: EmptyAudioError if there are no samples.

    A window's features depend on its own frames alone, so a clip's windows can be answered in any batch.
    """
    if not samples.size:
        raise EmptyAudioError("the audio has no samples")
    if spec.padding == "zeros" and samples.size < spec.window_samples:
        samples = np.pad(samples, (0, spec.window_samples - samples.size))
    magnitude = _magnitude(samples, spec)
    windows = [
        _window(Spectrum(magnitude[:, start : start + spec.window_frames], spec))
        for start in window_starts(magnitude.shape[1], spec)
    ]
    return np.stack(windows)


def window_starts(frames: int, spec: FeatureSpec) -> list[int]:
    """First frames of the windows that cover a clip of `frames` frames; the last window ends with it."""
    last = max(0, frames - spec.window_frames)
    starts = list(range(0, last, spec.stride_frames))
    return [*starts, last]


def window_spans(samples: int, spec: FeatureSpec) -> list[tuple[float, float]]:
    """Start and end in seconds of each window of a clip of `samples` at the spec's rate, within the clip."""
    duration_s = samples / spec.sample_rate
    frames = spec.frames_of(max(samples, spec.n_fft))  # as `extract` sees them
    starts = [min(start * spec.hop_length / spec.sample_rate, duration_s) for start in window_starts(frames, spec)]
    ends = [min(start + spec.window_s, duration_s) for start in starts]
    return [*zip(starts, [*ends[:-1], duration_s], strict=True)]


def _magnitude(samples: Array, spec: FeatureSpec) -> Array:
    # librosa warns of clips shorter than a transform: zeros after them change nothing but the warning.
    if samples.size < spec.n_fft:
        samples = np.pad(samples, (0, spec.n_fft - samples.size))
    transform = librosa.stft(
        samples,
        n_fft=spec.n_fft,
        hop_length=spec.hop_length,
        win_length=spec.win_length,
        window=spec.window,
        center=spec.center,
        pad_mode=spec.pad_mode,
    )
    return np.asarray(np.abs(transform), np.float32)


def _window(spectrum: Spectrum) -> Array:
    features = np.concatenate([block.compute(spectrum) for block in spectrum.spec.blocks])
    match spectrum.spec.aggregate:
        case "mean":
            return np.asarray(features.mean(axis=1)[np.newaxis], np.float32)
        case "mean_std":
            return np.concatenate([features.mean(axis=1), features.std(axis=1)])[np.newaxis]
        case _:
            return np.ascontiguousarray(features.T)
