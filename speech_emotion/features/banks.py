"""Filter banks, analysis windows and the cosine transform, built once for each set of parameters.

Their values are those of `librosa.filters`, as tests check. librosa takes seconds to start, so nothing imports it here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]

# Keys come from bounded specifications; the cache is bounded all the same.
_CACHED = 32
_LINEAR_HZ, _LINEAR_MELS = 1_000.0, 15.0
_MELS_PER_LOG = 27 / np.log(6.4)
_A0_HZ = 27.5
_OCTAVE_CENTRE, _OCTAVE_WIDTH = 5.0, 2.0
_WINDOWS = {"hann": 0.5, "hamming": 0.54}


def mel_frequencies(bands: int, fmin: float, fmax: float) -> npt.NDArray[np.float64]:
    """Edges of `bands` mel bands in Hz, float64 `[bands + 2]`: band b reaches from edge b to edge b + 2.

    Equally spaced on Slaney's scale (1998, Auditory Toolbox): linear up to 1 kHz, which is mel 15, then logarithmic.
    """
    mels = np.linspace(_mel(fmin), _mel(fmax), bands + 2)
    above = _LINEAR_HZ * np.exp((mels - _LINEAR_MELS) / _MELS_PER_LOG)
    return np.where(mels < _LINEAR_MELS, mels * _LINEAR_HZ / _LINEAR_MELS, above)


@lru_cache(maxsize=_CACHED)
def mel_bank(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float | None) -> Array:
    """Slaney's mel filter bank, float32 `[n_mels, 1 + n_fft // 2]`, read-only: triangles of equal area."""
    edges = mel_frequencies(n_mels, fmin, sample_rate / 2 if fmax is None else fmax)[:, np.newaxis]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    frequencies = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    return _frozen(np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low))


@lru_cache(maxsize=_CACHED)
def chroma_bank(sample_rate: int, n_fft: int, n_chroma: int, tuning: float) -> Array:
    """Pitch classes from C, float32 `[n_chroma, 1 + n_fft // 2]`, read-only; source: Ellis 2007, Chroma Analysis.

    A Gaussian as wide as the bin shares each bin out among the pitch classes; the shares of a bin have unit length. A
    Gaussian over octaves above A0, around the fifth, gives the bins their weights.
    """
    frequencies = np.arange(1, n_fft) * sample_rate / n_fft
    pitch = n_chroma * np.log2(frequencies / _A0_HZ) - tuning
    pitch = np.concatenate(
        [[pitch[0] - 1.5 * n_chroma], pitch]
    )  # as if the bin of 0 Hz were an octave and a half lower
    width = np.append(np.maximum(np.diff(pitch), 1), 1)
    half = round(n_chroma / 2)
    distance = (pitch - np.arange(n_chroma)[:, np.newaxis] + half) % n_chroma - half
    shares = np.exp(-0.5 * np.square(2 * distance / width))
    shares /= np.linalg.norm(shares, axis=0)
    shares *= np.exp(-0.5 * np.square((pitch / n_chroma - _OCTAVE_CENTRE) / _OCTAVE_WIDTH))
    return _frozen(np.roll(shares[:, : 1 + n_fft // 2], -3 * (n_chroma // 12), axis=0))  # from A to C


@lru_cache(maxsize=_CACHED)
def cosine_transform(coefficients: int, bands: int) -> Array:
    """The first rows of the orthonormal DCT-II as a matrix, float32 `[coefficients, bands]`, read-only."""
    angles = np.pi / bands * np.outer(np.arange(coefficients), np.arange(bands) + 0.5)
    scale = np.where(np.arange(coefficients) == 0, 1, 2) / bands
    return _frozen(np.sqrt(scale)[:, np.newaxis] * np.cos(angles))


@lru_cache(maxsize=_CACHED)
def analysis_window(window: Literal["hann", "hamming"], win_length: int) -> Array:
    """An analysis window, float32 `[win_length]`, read-only; periodic, as a transform needs it."""
    offset = _WINDOWS[window]
    return _frozen(offset - (1 - offset) * np.cos(2 * np.pi / win_length * np.arange(win_length)))


def _mel(hz: float) -> float:
    if hz < _LINEAR_HZ:
        return hz * _LINEAR_MELS / _LINEAR_HZ
    return float(_LINEAR_MELS + _MELS_PER_LOG * np.log(hz / _LINEAR_HZ))


def _frozen(bank: npt.NDArray[Any]) -> Array:
    bank = np.ascontiguousarray(bank, np.float32)
    bank.setflags(write=False)
    return bank
