"""One function for each kind of block: a window's spectrum to its features.

All follow librosa's functions of the same name, on a spectrum that they share.
"""

from __future__ import annotations

from functools import singledispatch

import librosa
import numpy as np
import numpy.typing as npt

from speech_emotion.features.banks import chroma_bank, mel_bank, window_energy
from speech_emotion.features.spec import Chroma, FeatureSpec, Mel, Mfcc, WhisperLogMel

Array = npt.NDArray[np.float32]

_WHISPER_FLOOR = 1e-10


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


@compute.register
def _whisper_log_mel(block: WhisperLogMel, spectrum: Spectrum) -> Array:
    mel = spectrum.mel_power(block.n_mels, block.fmin, block.fmax) / _level(block, spectrum)
    log = np.log10(np.maximum(mel, _WHISPER_FLOOR))
    return np.asarray((np.maximum(log, log.max() - block.range_decades) + 4) / 4, np.float32)


def _level(block: WhisperLogMel, spectrum: Spectrum) -> float:
    """Mean power of the frames that count; 1 where the level stays, or is that of nothing at all."""
    power = spectrum.frame_power()
    if block.level == "none" or not power.any():
        return 1.0
    return float(power[power >= power.max() * 10 ** (-block.level_range_db / 10)].mean())
