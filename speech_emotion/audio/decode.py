"""Bytes to float32 samples, bounded while decoding."""

from __future__ import annotations

from contextlib import ExitStack
from os import PathLike

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.blocks import gather, open_blocks
from speech_emotion.audio.content import content_of
from speech_emotion.audio.hints import NO_HINTS, Hints
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.audio.signal import prepare
from speech_emotion.audio.source import open_source
from speech_emotion.input_files import read_at_most

Samples = npt.NDArray[np.float32]


def probe(data: bytes) -> AudioInfo:
    """Read the header of an audio file; the content decides what it is, never a name.

    Raises EmptyAudioError, UnsupportedFormatError or CorruptAudioError.
    """
    with ExitStack() as stack:
        return open_source(content_of(data, NO_HINTS), NO_HINTS, Limits(), stack).info


def decode(data: bytes, limits: Limits, hints: Hints = NO_HINTS) -> tuple[Samples, AudioInfo]:
    """Decode an audio file to float32 `[channels, samples]` in -1..1 at its own rate, in this process.

    Rate and channels are checked against `limits` first, the running length while decoding: what a header says of it
    may be untrue, so it is not looked at. The returned info has the frames really decoded.

    Raises EmptyAudioError, UnsupportedFormatError, CorruptAudioError, TrackError, NonFiniteAudioError, or a LimitError.
    """
    with open_blocks(data, limits, hints) as blocks:
        return gather(blocks, limits)


def load(source: str | PathLike[str] | bytes, target_rate: int, limits: Limits | None = None) -> Samples:
    """Decode a file or its bytes to mono float32 `[samples]` at `target_rate` Hz.

    Raises what `decode` does, OSError, and FileTooLargeError for a file that nothing within the limits can fill.
    """
    limits = limits or Limits()
    data = source if isinstance(source, bytes) else read_at_most(source, limits.max_file_bytes)
    samples, info = decode(data, limits)
    return prepare(samples, info.sample_rate, target_rate)
