"""One function for each kind of block: a window's spectrum to its features.

All follow librosa's functions of the same name, on a spectrum that they share.
"""

from __future__ import annotations

from functools import singledispatch

import librosa
import numpy as np
import numpy.typing as npt

from speech_emotion.features.banks import chroma_bank, mel_bank
from speech_emotion.features.spec import Chroma, FeatureSpec, Mel, Mfcc

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


@singledispatch
def compute(block: object, spectrum: Spectrum) -> Array:  # noqa: ARG001 - the signature that blocks register
    """Features of one block, float32 `[bins, frames]`."""
    raise TypeError(f"no feature block: {block!r}")


@compute.register
def _mfcc(block: Mfcc, spectrum: Spectrum) -> Array:
    mel = spectrum.mel_power(block.n_mels, block.fmin, block.fmax)
    return np.asarray(librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=block.n_mfcc), np.float32)


@compute.register
def _chroma(block: Chroma, spectrum: Spectrum) -> Array:
    bank = chroma_bank(spectrum.spec.sample_rate, spectrum.spec.n_fft, block.n_chroma, block.tuning)
    return np.asarray(librosa.util.normalize(bank @ spectrum.magnitude, norm=np.inf, axis=0), np.float32)


@compute.register
def _mel(block: Mel, spectrum: Spectrum) -> Array:
    mel = spectrum.mel_power(block.n_mels, block.fmin, block.fmax)
    return np.asarray(librosa.power_to_db(mel), np.float32) if block.scale == "db" else mel
