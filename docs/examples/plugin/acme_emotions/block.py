"""A feature block: where the middle of a spectrum lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from speech_emotion.features import Block

if TYPE_CHECKING:
    from speech_emotion.features import Spectrum


class Centroid(Block):
    """The mean frequency of each frame in kHz, weighted by magnitude."""

    kind: Literal["acme_centroid"] = "acme_centroid"
    power: float = Field(default=1.0, ge=0.5, le=4)
    """Exponent of the magnitude: the higher, the more the strongest frequencies count."""

    @property
    def bins(self) -> int:
        """Values per frame."""
        return 1

    def compute(self, spectrum: Spectrum) -> npt.NDArray[np.float32]:
        """Mean frequency, float32 `[1, frames]`; 0 in silence."""
        khz = np.fft.rfftfreq(spectrum.spec.n_fft, 1_000 / spectrum.spec.sample_rate)
        weights = np.maximum(spectrum.magnitude, 1e-6) ** self.power
        audible = spectrum.magnitude.max(axis=0) > 1e-6
        return np.asarray(audible * (khz @ weights / weights.sum(axis=0)), np.float32)[np.newaxis]
