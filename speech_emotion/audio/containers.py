"""M4A/AAC and WebM/Opus, as phones and browsers record, through PyAV (FFmpeg); an optional library.

FFmpeg opened by probing follows a playlist to other files and hosts. So the demuxer is named, never guessed; the
only input is memory; whatever it wants to open besides is refused, by name of protocol and by callback.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.kinds import Kind
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import CorruptAudioError, UnsupportedFormatError

try:
    import av
except ImportError:
    av = None  # type: ignore[assignment]

Block = npt.NDArray[np.float32]
CODECS = ("aac", "alac", "opus", "vorbis")
OPTIONS = {
    "protocol_whitelist": "none",
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,aac",
    "codec_whitelist": ",".join(CODECS),
    "max_streams": "16",
}


def open_container(data: bytes, kind: Kind, stack: ExitStack) -> tuple[AudioInfo, Iterator[Block]]:
    """The first audio stream: its header, and float32 blocks `[frames, channels]`.

    Raises UnsupportedFormatError without PyAV, without an audio stream or with a codec not in `CODECS`;
    CorruptAudioError, also while the blocks are read.
    """
    if av is None:
        raise UnsupportedFormatError(f"{kind.name} is not read here: the extra `containers` (PyAV) is not installed")
    try:
        container = stack.enter_context(
            av.open(io.BytesIO(data), format=kind.value, options=OPTIONS, io_open=_refuse, metadata_errors="ignore")
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise CorruptAudioError(f"the {kind.name} file is broken") from error
    if not container.streams.audio:
        raise UnsupportedFormatError(f"the {kind.name} file has no audio in it")
    stream = container.streams.audio[0]
    codec = stream.codec_context
    if getattr(codec, "name", None) not in CODECS:  # there is none for a codec that FFmpeg cannot decode
        raise UnsupportedFormatError(f"the audio in the {kind.name} file is in a codec that is not read here")
    if not codec.sample_rate or not codec.channels:
        raise CorruptAudioError(f"the {kind.name} file does not say its sample rate or channels")
    codec.thread_count = 1
    info = AudioInfo(kind.name, codec.name.upper(), codec.sample_rate, codec.channels, _frames(container, stream))
    return info, _decode(container, stream, info)


def _refuse(url: str, *_: object) -> NoReturn:
    raise PermissionError(f"an audio file may not name another: {url[:80]}")


def _frames(container: Any, stream: Any) -> int:
    """What the header says, 0 where it says nothing. ADTS has no header, its length would be a guess."""
    if container.format.name == "aac":
        return 0
    if stream.duration is not None and stream.time_base:
        return max(0, int(stream.duration * stream.time_base * stream.codec_context.sample_rate))
    duration_us = int(container.duration or 0)
    return max(0, duration_us * int(stream.codec_context.sample_rate) // 1_000_000)


def _decode(container: Any, stream: Any, info: AudioInfo) -> Iterator[Block]:
    try:
        for frame in container.decode(stream):
            if (frame.sample_rate, frame.layout.nb_channels) != (info.sample_rate, info.channels):
                raise CorruptAudioError("the audio changes its sample rate or channels on the way")
            yield _floats(frame, info.channels)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise CorruptAudioError(f"the {info.format} file is broken inside") from error


def _floats(frame: Any, channels: int) -> Block:
    """`[frames, channels]`, integers scaled to -1..1."""
    values = frame.to_ndarray()
    values = values.T if frame.format.is_planar else values.reshape(-1, channels)
    if values.dtype.kind == "f":
        return np.ascontiguousarray(values, np.float32)
    scaled: Block = np.ascontiguousarray(values, np.float32) / np.float32(2 ** (8 * values.dtype.itemsize - 1))
    return scaled
