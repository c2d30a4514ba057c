"""Synthetic clips as bytes."""

from __future__ import annotations

import io

import numpy as np
import soundfile

RATE = 16_000


def tone(
    seconds: float = 1.0, rate: int = RATE, channels: int = 1, format: str = "WAV", subtype: str | None = None
) -> bytes:
    """A 440 Hz tone with the rhythm of three syllables a second, which counts as speech, encoded."""
    time = np.arange(int(seconds * rate)) / rate
    wave = 0.5 * np.abs(np.sin(np.pi * 3 * time)) * np.sin(2 * np.pi * 440 * time)
    return encode(np.repeat(wave[:, np.newaxis], channels, axis=1), rate, format, subtype)


def encode(samples: np.ndarray, rate: int = RATE, format: str = "WAV", subtype: str | None = None) -> bytes:
    """`[samples]` or `[samples, channels]` as a file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def silence(seconds: float = 1.0) -> bytes:
    """Digital silence, encoded."""
    return encode(np.zeros(int(seconds * RATE)))
