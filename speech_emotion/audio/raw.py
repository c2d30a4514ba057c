"""Samples without a header that come in pieces: bytes cut anywhere become blocks of whole samples."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.finite import require_finite

Array = npt.NDArray[np.float32]
Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw"]
SAMPLE_BYTES: Final[dict[Encoding, int]] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1}
_BIAS: Final = 0x84


def _mulaw_values() -> Array:
    """The value of each of the 256 codes (ITU-T G.711, table 2a), full scale 1: 8031 steps of 14 bits, times 4."""
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + _BIAS << ((code & 0x70) >> 4)) - _BIAS
    return (np.where(code & 0x80, -magnitude, magnitude) / 32_768).astype(np.float32)


_MULAW: Final = _mulaw_values()


class RawSamples:
    """Reads interleaved samples of one encoding; what is left of a piece waits for the next."""

    def __init__(self, encoding: Encoding, channels: int) -> None:
        self._encoding = encoding
        self._channels = channels
        self._left = b""

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return SAMPLE_BYTES[self._encoding] * self._channels

    def read(self, piece: bytes) -> Array:
        """The samples that are complete with `piece`: float32 `[channels, samples]`, full scale 1, perhaps none.

        Raises NonFiniteAudioError, see `finite`.
        """
        data = self._left + piece
        whole = len(data) - len(data) % self.frame_bytes
        self._left = data[whole:]
        samples = self._decode(data[:whole])
        require_finite(samples)
        return samples.reshape(-1, self._channels).T

    def _decode(self, data: bytes) -> Array:
        match self._encoding:
            case "pcm_s16le":
                return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32_768)
            case "pcm_f32le":
                return np.frombuffer(data, "<f4").astype(np.float32)
            case "mulaw":
                return _MULAW[np.frombuffer(data, np.uint8)]
