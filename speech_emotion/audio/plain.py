"""The clip most clients send, 16-bit PCM in a well-formed WAV, read by Python alone: no native parser sees it."""

from __future__ import annotations

import io
import wave

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo


def decode_plain(data: bytes, limits: Limits) -> tuple[npt.NDArray[np.float32], AudioInfo] | None:
    """Float32 `[channels, samples]`, the very numbers that libsndfile gives; None where the full decoder must look.

    Raises a LimitError.
    """
    if data[:4] != b"RIFF":
        return None
    try:
        with wave.open(io.BytesIO(data)) as file:
            rate, channels, frames = file.getframerate(), file.getnchannels(), file.getnframes()
            if file.getsampwidth() != 2 or not rate or not channels or not frames:
                return None
            if 2 * channels * frames > len(data):
                return None  # the header lies, or was written before the length was known
            info = AudioInfo("WAV", "PCM_16", rate, channels, frames)
            limits.check(info)
            pcm = file.readframes(frames)
    except (wave.Error, EOFError, RuntimeError):
        return None
    if len(pcm) != 2 * channels * frames:
        return None
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    samples /= 32_768
    return samples.reshape(-1, channels).T, info
