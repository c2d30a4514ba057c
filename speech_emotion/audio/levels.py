"""How loud speech's own band is, frame by frame.

The power between 200 and 4000 Hz, where speech has its harmonics and formants, and mains hum, rumble and an offset
have little; a full-scale sine in the band has -3 dBFS.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, floor

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

from speech_emotion.audio.tape import Tape

Decibels = npt.NDArray[np.float64]

BAND_HZ = (200.0, 4_000.0)
FRAME_S, HOP_S = 0.064, 0.032
FLOOR_DBFS = -140.0
_LOUDEST = np.float32(1e30)
"""Samples are clipped to this, because the transform of larger ones is beyond float32."""
_BLOCK_FRAMES = 256  # measured at once


class Levels:
    """The level of each whole frame of a signal in the band of speech, as its samples come.

    Parameters
    ----------
    rate : int
        Hz, more than `2 * BAND_HZ[0]`.

    `levels[first:last]` are float64 dBFS, `10 log10(sum over the band of 2 |X[k]|^2 / (N sum w^2))` of N samples under
    a Hann window w: one-sided power by Parseval's theorem. Nothing is under `FLOOR_DBFS`. Frames are measured when
    they are asked for, many at once.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._size, self._hop = frame_samples(rate)
        self._window, self._band = _weighted(self._size), band_bins(self._size, rate)
        self._samples = Tape((), np.float32)
        self._levels = Tape((), np.float64)

    def add(self, samples: npt.NDArray[np.float32]) -> None:
        """Hear the next samples, mono `[samples]`, full scale 1."""
        self._samples.append(np.clip(samples, -_LOUDEST, _LOUDEST))

    def end(self) -> None:
        """Samples fewer than a frame are filled up with zeros, as none follow."""
        self.add(np.zeros(max(0, self._size - self._samples.end), np.float32))

    def known(self) -> int:
        """How many frames have a level."""
        whole = whole_frames(self._samples.end, self._rate)
        while self._levels.end < whole:
            first, last = self._levels.end, min(self._levels.end + _BLOCK_FRAMES, whole)
            part = self._samples[first * self._hop : (last - 1) * self._hop + self._size]
            self._levels.append(self._measure(sliding_window_view(part, self._size)[:: self._hop]))
        self._samples.forget(whole * self._hop)
        return whole

    def __getitem__(self, frames: slice) -> Decibels:
        self.known()
        return self._levels[frames]

    def forget(self, before: int) -> None:
        """Keep no level of a frame before this one."""
        self._levels.forget(before)

    def _measure(self, frames: npt.NDArray[np.float32]) -> Decibels:
        band = rfft(frames * self._window, overwrite_x=True)[:, self._band].view(np.float32)
        # Real and imaginary parts lie side by side; squares of huge samples are beyond float32.
        power = np.einsum("ij,ij->i", band, band, dtype=np.float64)
        return np.asarray(10 * np.log10(power + 10 ** (FLOOR_DBFS / 10)))


@lru_cache(maxsize=32)
def _weighted(size: int) -> npt.NDArray[np.float32]:
    """The window of a frame, scaled so that the sum over bins is a power."""
    window = np.hanning(size + 1)[:-1]
    return np.asarray(window * np.sqrt(2 / (size * np.square(window).sum())), np.float32)


def frame_levels(samples: npt.NDArray[np.float32], rate: int) -> Decibels:
    """All `Levels` of mono `[samples]`, float64 `[max(1, whole_frames(samples, rate))]`."""
    levels = Levels(rate)
    levels.add(samples)
    levels.end()
    return levels[0 : levels.known()]


def band_bins(size: int, rate: int) -> slice:
    """The bins of a transform of `size` samples at `rate` Hz that lie in the band, with its edges."""
    low, high = BAND_HZ
    return slice(ceil(low * size / rate), floor(high * size / rate) + 1)


def frame_samples(rate: int) -> tuple[int, int]:
    """Samples in a frame, and between frames."""
    return round(FRAME_S * rate), round(HOP_S * rate)


def whole_frames(samples: int, rate: int) -> int:
    """How many frames lie within so many samples."""
    size, hop = frame_samples(rate)
    return max(0, 1 + (samples - size) // hop)
