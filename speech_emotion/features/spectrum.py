"""A window's spectrum, which all of its blocks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from speech_emotion.features.banks import mel_bank, window_energy

if TYPE_CHECKING:
    from speech_emotion.features.spec import FeatureSpec

Array = npt.NDArray[np.float32]


class Spectrum:
    """The magnitude spectrum of one window, `[1 + n_fft // 2, frames]`, and mel powers made from it once."""

    def __init__(self, magnitude: Array, spec: FeatureSpec) -> None:
        self.magnitude = magnitude
        self.spec = spec
        self._mels: dict[tuple[int, float, float | None], Array] = {}

    def mel_power(self, n_mels: int, fmin: float, fmax: float | None) -> Array:
        """Mel power spectrum, float32 `[n_mels, frames]`; as `librosa.feature.melspectrogram`."""
        key = (n_mels, fmin, fmax)
        if key not in self._mels:
            bank = mel_bank(self.spec.sample_rate, self.spec.n_fft, n_mels, fmin, fmax)
            self._mels[key] = bank @ np.square(self.magnitude)
        return self._mels[key]

    def frame_power(self) -> Array:
        """Mean square of the samples under each frame's analysis window, without their mean, float32 `[frames]`.

        Parseval: the power of all bins over `n_fft` times the analysis window's energy. Every bin stands for two, but
        for half the sample rate, which only an even `n_fft` has a bin for.
        """
        energy = window_energy(self.spec.window, self.spec.win_length)
        twice = 1 + (self.spec.n_fft - 1) // 2
        power = 2 * np.square(self.magnitude[1:twice]).sum(axis=0) + np.square(self.magnitude[twice:]).sum(axis=0)
        return np.asarray(power / (self.spec.n_fft * energy), np.float32)
