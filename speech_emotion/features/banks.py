"""Filter banks, built once for each set of parameters."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from librosa import filters  # type: ignore[attr-defined]

# Keys come from bounded specifications; the cache is bounded all the same.
_CACHED = 32


@lru_cache(maxsize=_CACHED)
def mel_bank(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float | None) -> npt.NDArray[np.float32]:
    """librosa's Slaney mel filter bank, float32 `[n_mels, 1 + n_fft // 2]`, read-only."""
    return _frozen(filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax))


@lru_cache(maxsize=_CACHED)
def chroma_bank(sample_rate: int, n_fft: int, n_chroma: int, tuning: float) -> npt.NDArray[np.float32]:
    """librosa's chroma filter bank, float32 `[n_chroma, 1 + n_fft // 2]`, read-only."""
    return _frozen(filters.chroma(sr=sample_rate, n_fft=n_fft, n_chroma=n_chroma, tuning=tuning))


@lru_cache(maxsize=_CACHED)
def window_energy(window: str, win_length: int) -> float:
    """Sum of the squares of an analysis window."""
    return float(np.square(filters.get_window(window, win_length)).sum())


def _frozen(bank: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    bank = np.ascontiguousarray(bank, np.float32)
    bank.setflags(write=False)
    return bank
