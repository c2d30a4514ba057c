"""Blocks of samples become one array, never longer than allowed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import EmptyAudioError, NonFiniteAudioError


class Gathered:
    """The samples of one clip so far, interleaved.

    Room for the longest clip allowed is only reserved: memory is taken as it is written.
    """

    def __init__(self, info: AudioInfo, limits: Limits) -> None:
        self.info = info
        self._limits = limits
        self._room = np.empty(limits.most_samples(info), np.float32)
        self._used = 0

    @property
    def frames(self) -> int:
        """Samples per channel so far."""
        return self._used // self.info.channels

    def add(self, block: npt.NDArray[np.float32]) -> None:
        """Append `[frames, channels]`. Raises a LimitError."""
        self.reserve(block.size)[:] = block.reshape(-1)

    def reserve(self, count: int) -> npt.NDArray[np.float32]:
        """The next `count` values, for the caller to write. Raises a LimitError."""
        begin, end = self._used, self._used + count
        self._limits.check_length(end // self.info.channels, self.info)
        self._used = end
        return self._room[begin:end]

    def finish(self) -> npt.NDArray[np.float32]:
        """Everything, `[channels, samples]`. Raises EmptyAudioError or NonFiniteAudioError."""
        samples = self._room[: self._used]
        if not samples.size:
            raise EmptyAudioError("the audio has no samples")
        if not np.isfinite(samples).all():
            raise NonFiniteAudioError("the audio holds samples that are not numbers (NaN or infinity)")
        return samples.reshape(-1, self.info.channels).T
