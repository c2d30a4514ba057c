"""Samples that no transform can hear: they are refused wherever samples come in."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from speech_emotion.errors import NonFiniteAudioError

LARGEST: Final = 1e12
"""240 dB above full scale, far above integers that were stored as floats. Powers of larger samples leave float32."""


def require_finite(samples: npt.NDArray[Any]) -> None:
    """Raise NonFiniteAudioError for NaN, infinity, and values beyond `LARGEST`."""
    if not np.abs(samples).max(initial=0) <= LARGEST:  # NaN is not, either
        raise NonFiniteAudioError(f"the audio holds samples that are NaN, infinite or beyond ±{LARGEST:g}")
