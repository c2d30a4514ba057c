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
    """What `speech_like` is, encoded."""
    wave = speech_like(seconds, rate)
    return encode(np.repeat(wave[:, np.newaxis], channels, axis=1), rate, format, subtype)


def speech_like(seconds: float, rate: int = RATE) -> np.ndarray:
    """A 440 Hz tone with the rhythm of three syllables a second, `[samples]`, which counts as speech."""
    time = np.arange(int(seconds * rate)) / rate
    return 0.5 * np.abs(np.sin(np.pi * 3 * time)) * np.sin(2 * np.pi * 440 * time)


def encode(samples: np.ndarray, rate: int = RATE, format: str = "WAV", subtype: str | None = None) -> bytes:
    """`[samples]` or `[samples, channels]` as a file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def silence(seconds: float = 1.0) -> bytes:
    """Digital silence, encoded."""
    return encode(np.zeros(int(seconds * RATE)))


def contained(
    container: str, codec: str, seconds: float = 1.0, rate: int = 48_000, channels: int = 1, **options: str
) -> bytes:
    """A 440 Hz tone as a phone or a browser records it: `("ipod", "aac")`, `("webm", "libopus")`, `("adts", "aac")`."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate)) / rate)
    return multiplexed(container, [(codec, np.tile(wave, (channels, 1)))], rate, **options)


def multiplexed(
    container: str, tracks: list[tuple[str, np.ndarray]], rate: int = 48_000, default: int | None = None, **options: str
) -> bytes:
    """A file with a track for each codec and `[channels, samples]`, one of them the default; `options` of the muxer."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options) as out:
        streams = [_stream(out, codec, rate, len(samples)) for codec, samples in tracks]
        if default is not None:
            streams[default].disposition = av.stream.Disposition.default
        for stream, (_, samples) in zip(streams, tracks, strict=True):
            context, layout = stream.codec_context, stream.codec_context.layout.name
            interleaved = samples.T.astype(np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(interleaved, "flt", layout)
            frame.sample_rate = rate
            resampler = av.AudioResampler(context.format.name, layout, context.sample_rate, context.frame_size or 1024)
            for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
                # FLAC ends with a packet of its header alone, which no other container takes.
                out.mux([packet for packet in stream.encode(piece) if packet.size or container == "flac"])
    return buffer.getvalue()


LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 6: "5.1", 8: "7.1"}
RATES = {"libopencore_amrnb": 8_000, "g722": 16_000}


def _stream(out: av.container.OutputContainer, codec: str, rate: int, channels: int) -> av.AudioStream:
    stream = out.add_stream(codec, rate=RATES.get(codec, rate), layout=LAYOUTS[channels])
    if codec.startswith("wma"):
        stream.bit_rate = 64_000
    stream.codec_context.open()
    return stream
