"""The feature blocks that come with the project. Their values are those of librosa's functions."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from speech_emotion.features.banks import chroma_bank, cosine_transform
from speech_emotion.features.block import Block

if TYPE_CHECKING:
    from speech_emotion.features.spec import FeatureSpec
    from speech_emotion.features.spectrum import Spectrum

Array = npt.NDArray[np.float32]

_FLOOR = np.float32(1e-10)
_RANGE_DB = np.float32(80)
_LOG10_E = np.float32(np.log10(np.e))


class _MelBank(Block):
    n_mels: int = Field(default=128, ge=1, le=256)
    """Bands of the Slaney mel filter bank."""
    fmin: float = Field(default=0.0, ge=0, le=24_000)
    """Lowest edge in Hz."""
    fmax: float | None = Field(default=None, gt=0, le=24_000)
    """Highest edge in Hz; none: half the sample rate."""

    def check(self, spec: FeatureSpec) -> None:
        """Raise ValueError if the band is empty or reaches above half the sample rate."""
        half = spec.sample_rate / 2
        fmax = self.fmax if self.fmax is not None else half
        if not self.fmin < fmax <= half:
            raise ValueError(f"{self.kind}: {self.fmin} to {fmax} Hz is not a band below {half} Hz")

    def _power(self, spectrum: Spectrum) -> Array:
        return spectrum.mel_power(self.n_mels, self.fmin, self.fmax)


class Mfcc(_MelBank):
    """Mel-frequency cepstral coefficients: orthonormal DCT-II of the mel power in dB (floor 80 dB down)."""

    kind: Literal["mfcc"] = "mfcc"
    n_mfcc: int = Field(default=40, ge=1, le=256)
    """Coefficients kept, from the zeroth."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return self.n_mfcc

    @model_validator(mode="after")
    def _no_more_than_bands(self) -> Self:
        if self.n_mfcc > self.n_mels:
            raise ValueError(f"n_mfcc ({self.n_mfcc}) exceeds n_mels ({self.n_mels})")
        return self

    def compute(self, spectrum: Spectrum) -> Array:
        """Coefficients, float32 `[n_mfcc, frames]`."""
        return cosine_transform(self.n_mfcc, self.n_mels) @ _decibels(self._power(spectrum))


class Chroma(Block):
    """Energy per pitch class of the magnitude spectrum, each frame scaled to a maximum of 1."""

    kind: Literal["chroma"] = "chroma"
    n_chroma: int = Field(default=12, ge=1, le=48)
    """Pitch classes in an octave."""
    tuning: float = Field(default=0.0, ge=-0.5, lt=0.5)
    """Deviation from A440 in fractions of a bin; fixed, as an estimate would differ from clip to clip."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return self.n_chroma

    def compute(self, spectrum: Spectrum) -> Array:
        """Pitch classes, float32 `[n_chroma, frames]`, in 0..1."""
        return spectrum.per_column(self, partial(self._shares, spectrum.spec))

    def _shares(self, spec: FeatureSpec, power: Array) -> Array:
        bank = chroma_bank(spec.sample_rate, spec.n_fft, self.n_chroma, self.tuning)
        energy = np.sqrt(power) @ bank.T
        strongest = energy.max(axis=1, keepdims=True)
        return np.asarray(energy / np.where(strongest < np.finfo(np.float32).tiny, 1, strongest))


class Mel(_MelBank):
    """Mel power spectrum, linear or in dB (floor 80 dB under the window's maximum)."""

    kind: Literal["mel"] = "mel"
    scale: Literal["power", "db"] = "power"
    """`power` as it is, or `db`."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return self.n_mels

    def compute(self, spectrum: Spectrum) -> Array:
        """Power or dB, float32 `[n_mels, frames]`."""
        power = self._power(spectrum)
        return _decibels(power) if self.scale == "db" else power


class WhisperLogMel(_MelBank):
    """Whisper's log-mel: log10 of Slaney mel power, clamped under the window's maximum, (x + 4) / 4.

    Source: Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision. Clamp and level
    are the window's own, where Whisper takes the clip's, so that windows do not depend on each other.
    """

    kind: Literal["whisper_log_mel"] = "whisper_log_mel"
    n_mels: int = Field(default=80, ge=1, le=256)
    """Bands of the Slaney mel filter bank."""
    range_decades: float = Field(default=8.0, ge=1, le=12)
    """Values further below the window's maximum are raised to this distance, in powers of ten."""
    level: Literal["none", "rms"] = "none"
    """`rms`: the window is scaled to a root mean square of 1, so that loudness says nothing."""
    level_range_db: float = Field(default=40.0, ge=3, le=120)
    """Frames further below the loudest one do not count towards the level: neither silence nor padding does."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return self.n_mels

    def compute(self, spectrum: Spectrum) -> Array:
        """Log-mel on Whisper's scale, float32 `[n_mels, frames]`: one unit is four powers of ten."""
        log = _log10(np.maximum(self._power(spectrum) / self._level(spectrum), _FLOOR))
        np.maximum(log, log.max() - self.range_decades, out=log)
        log += 4
        log /= 4
        return log

    def _level(self, spectrum: Spectrum) -> float:
        """Mean power of the frames that count; 1 where the level stays, or is that of nothing at all."""
        power = spectrum.frame_power()
        if self.level == "none" or not power.any():
            return 1.0
        return float(power[power >= power.max() * 10 ** (-self.level_range_db / 10)].mean())


def _decibels(power: Array) -> Array:
    """Power in dB, not below -100 dB, nor further than `_RANGE_DB` below the maximum; as `librosa.power_to_db`."""
    decibels = 10 * _log10(np.maximum(power, _FLOOR))
    return np.asarray(np.maximum(decibels, decibels.max() - _RANGE_DB))


def _log10(values: Array) -> Array:
    """By way of the natural logarithm, which numpy vectorises on every processor: up to 5 times faster."""
    log: Array = np.log(values)
    log *= _LOG10_E
    return log
