"""A window's spectrum, which its blocks share, and what is computed from its columns, which all windows share."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import numpy as np
import numpy.typing as npt

from speech_emotion.features.banks import analysis_window, mel_bank
from speech_emotion.features.columns import Columns
from speech_emotion.features.spec import FeatureSpec

Array = npt.NDArray[np.float32]


class Spectrum:
    """The spectrum of one window: the columns of a signal from `first` to before `last`.

    What it returns is read-only, because overlapping windows share it.
    """

    def __init__(self, columns: Columns, first: int, last: int) -> None:
        self._columns = columns
        self._first = first
        self._last = last

    @property
    def spec(self) -> FeatureSpec:
        """The specification that the columns follow."""
        return self._columns.spec

    @property
    def magnitude(self) -> Array:
        """Magnitudes, float32 `[1 + n_fft // 2, frames]`; as `numpy.abs(librosa.stft(...))`."""
        return self.per_column("magnitude", np.sqrt)

    def mel_power(self, n_mels: int, fmin: float, fmax: float | None) -> Array:
        """Mel power spectrum, float32 `[n_mels, frames]`; as `librosa.feature.melspectrogram`."""
        bank = mel_bank(self.spec.sample_rate, self.spec.n_fft, n_mels, fmin, fmax)
        return self.per_column(("mel_power", n_mels, fmin, fmax), lambda power: power @ bank.T)

    def frame_power(self) -> Array:
        """Mean square of the samples under each frame's analysis window, without their mean, float32 `[frames]`.

        Parseval: the power of all bins over `n_fft` times the analysis window's energy. Every bin stands for two, but
        for half the sample rate, which only an even `n_fft` has a bin for.
        """
        energy = np.square(analysis_window(self.spec.window, self.spec.win_length)).sum()
        weights = np.full(1 + self.spec.n_fft // 2, 2 / (self.spec.n_fft * energy), np.float32)
        weights[0] = 0
        if self.spec.n_fft % 2 == 0:
            weights[-1] /= 2
        return self.per_column("frame_power", lambda power: power @ weights)

    def per_column(self, key: Hashable, make: Callable[[Array], Array]) -> Array:
        """What `make` returns for each column, float32 `[values, frames]`, computed once for all windows that have it.

        Parameters: `key`, by which other windows find it again, such as the block itself; `make`, which turns the
        power of columns, float32 `[columns, 1 + n_fft // 2]`, into `[columns, values]`, each row from its own column.
        """
        return self._columns.made(key, make, self._first, self._last).T
