"""Synthetic clips as bytes."""

from __future__ import annotations

import io

import av
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


def contained(container: str, codec: str, seconds: float = 1.0, rate: int = 48_000, channels: int = 1) -> bytes:
    """A 440 Hz tone as a phone or a browser records it: `("ipod", "aac")`, `("webm", "libopus")`, `("adts", "aac")`."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    layout = {1: "mono", 2: "stereo"}[channels]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout=layout)
        context = stream.codec_context
        context.open()
        frame = av.AudioFrame.from_ndarray(np.tile(wave.astype(np.float32), (channels, 1)), "fltp", layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(context.format.name, layout, rate, context.frame_size or 1024)
        frames = [*resampler.resample(frame), *resampler.resample(None), None]
        for piece in frames:
            out.mux(stream.encode(piece))
    return buffer.getvalue()
