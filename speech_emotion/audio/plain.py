"""The clip most clients send, 16-bit PCM in a well-formed WAV, read by Python alone: no native parser sees it."""

from __future__ import annotations

import io
import wave

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.content import Content
from speech_emotion.audio.hints import Hints
from speech_emotion.audio.kinds import Kind
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo


def decode_plain(content: Content, hints: Hints, limits: Limits) -> tuple[npt.NDArray[np.float32], AudioInfo] | None:
    """Float32 `[channels, samples]`, the very numbers that a decoder gives; None where one must look.

    Raises a LimitError.
    """
    data = content.data
    if content.kind is not Kind.WAV or data[:4] != b"RIFF" or hints.track not in (None, 1):
        return None
    try:
        with wave.open(io.BytesIO(data)) as file:
            rate, channels, frames = file.getframerate(), file.getnchannels(), file.getnframes()
            if file.getsampwidth() != 2 or not rate or not channels or not frames:
                return None
            if 2 * channels * frames > len(data):
                return None
            info = AudioInfo("WAV", "PCM_S16LE", rate, channels, frames)
            limits.check(info)
            limits.check_length(frames, info)
            pcm = file.readframes(frames)
    except (wave.Error, EOFError, RuntimeError):
        return None
    if len(pcm) != 2 * channels * frames:
        return None
    samples = np.frombuffer(pcm, "<i2").astype(np.float32)
    samples /= 32_768
    return samples.reshape(-1, channels).T, info
