"""One clip as it might have reached the service: each condition makes a file's bytes of its samples."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import cast

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from scipy.signal import fftconvolve

from training_pipeline.robustness.sounds import pink_noise

Samples = npt.NDArray[np.float32]
Condition = Callable[[Samples, int, np.random.Generator], bytes]
"""Mono `[samples]` in -1..1, their rate in Hz and random numbers to the bytes of an audio file."""

FRAME_S = 0.032
ACTIVE_RANGE_DB = 30.0
ROOM_S = 0.3
"""Time in which a small room's sound falls by 60 dB."""
DIRECT_TO_ROOM_DB = 3.0


def wav(samples: Samples, rate: int, subtype: str = "PCM_16") -> bytes:
    """A WAV file: what is beyond full scale is clipped, as by a sound card."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.clip(samples, -1, 1), rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def speech_power(samples: Samples, rate: int) -> float:
    """Mean power of the frames within 30 dB of the loudest: pauses do not count."""
    size = min(round(FRAME_S * rate), len(samples))
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    powers = np.square(frames.astype(np.float64)).mean(axis=1)
    return float(powers[powers >= powers.max() * 10 ** (-ACTIVE_RANGE_DB / 10)].mean())


def small_room(samples: Samples, rate: int, random: np.random.Generator) -> Samples:
    """Convolved with a made-up impulse response, falling noise behind the direct sound; as loud as before.

    Source: Polack 1988, La transmission de l'energie sonore dans les salles.
    """
    time = np.arange(round(ROOM_S * rate)) / rate
    tail = random.normal(size=time.size) * 10 ** (-3 * time / ROOM_S)
    tail[: round(0.003 * rate)] = 0  # nothing comes back sooner than from a wall half a metre away
    response = tail * np.sqrt(10 ** (-DIRECT_TO_ROOM_DB / 10) / np.square(tail).sum())
    response[0] = 1
    wet = fftconvolve(samples, response)[: len(samples)]
    loudness = np.sqrt(np.square(samples).mean() / max(np.square(wet).mean(), 1e-20))
    return np.asarray(wet * loudness, np.float32)


def encoded(samples: Samples, rate: int, container: str, codec: str, bits_per_s: int) -> bytes:
    """A lossy file, by PyAV (FFmpeg)."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        stream = cast(av.AudioStream, out.add_stream(codec, rate=rate, layout="mono"))
        stream.bit_rate = bits_per_s
        stream.codec_context.open()
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], "fltp", "mono")
        frame.sample_rate = rate
        fitted = av.AudioResampler(stream.codec_context.format.name, "mono", rate, stream.codec_context.frame_size)
        for piece in [*fitted.resample(frame), *fitted.resample(None), None]:
            out.mux(stream.encode(piece))
    return buffer.getvalue()


def _noisy(ratio_db: float, samples: Samples, rate: int, random: np.random.Generator) -> bytes:
    noise = pink_noise(len(samples), random)
    return wav(samples + noise * np.float32(np.sqrt(speech_power(samples, rate) * 10 ** (-ratio_db / 10))), rate)


def _lossy(container: str, codec: str, bits_per_s: int, samples: Samples, rate: int, _: np.random.Generator) -> bytes:
    return encoded(samples, rate, container, codec, bits_per_s)


def _at_gain(gain_db: float, samples: Samples, rate: int, _: np.random.Generator) -> bytes:
    return wav(samples * np.float32(10 ** (gain_db / 20)), rate)


def _clipped(over_db: float, samples: Samples, rate: int, _: np.random.Generator) -> bytes:
    return wav(samples * np.float32(10 ** (over_db / 20) / max(np.abs(samples).max(), 1e-9)), rate)


def _telephone(samples: Samples, rate: int, _: np.random.Generator) -> bytes:
    return wav(soxr.resample(samples, rate, 8_000), 8_000)


CONDITIONS: dict[str, Condition] = {
    "as recorded": lambda samples, rate, _: wav(samples, rate, "FLOAT"),
    "8 kHz": _telephone,
    "MP3, 32 kbit/s": partial(_lossy, "mp3", "libmp3lame", 32_000),
    "Opus, 16 kbit/s": partial(_lossy, "ogg", "libopus", 16_000),
    "pink noise, 20 dB SNR": partial(_noisy, 20.0),
    "pink noise, 10 dB SNR": partial(_noisy, 10.0),
    "pink noise, 5 dB SNR": partial(_noisy, 5.0),
    "small room, 0.3 s": lambda samples, rate, random: wav(small_room(samples, rate, random), rate),
    "12 dB quieter": partial(_at_gain, -12.0),
    "clipped, peak 12 dB over": partial(_clipped, 12.0),
}
