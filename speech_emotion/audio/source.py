"""An open file as its header and blocks of samples, whichever library reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Protocol

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import containers, sndfile, track
from speech_emotion.audio.content import Content
from speech_emotion.audio.hints import Hints
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo


class Source(Protocol):
    """A header, and float32 blocks `[frames, channels]` in file order that are decoded as they are asked for.

    `damaged`, known when the last block is read: something in the file could not be decoded and is left out.
    """

    info: AudioInfo
    blocks: Iterator[npt.NDArray[np.float32]]
    damaged: bool


def open_source(content: Content, hints: Hints, limits: Limits, stack: ExitStack) -> Source:
    """Open `content`, which stays open as long as `stack`.

    FFmpeg reads everything; where PyAV is not installed, libsndfile reads the formats that it knows.

    Raises UnsupportedFormatError, TrackError, EmptyAudioError or CorruptAudioError; the last also while the blocks are
    read.
    """
    known = content.kind in sndfile.KINDS and hints.track in (None, 1)
    if known and not track.AVAILABLE:
        return sndfile.Sound(content, stack)
    return containers.open_container(content, hints, limits, stack)
