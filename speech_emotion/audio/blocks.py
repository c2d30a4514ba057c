"""A recording as blocks of samples, decoded as they are asked for: what is held does not grow with its length."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.content import content_of
from speech_emotion.audio.finite import require_finite
from speech_emotion.audio.hints import NO_HINTS, Hints
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.plain import open_plain
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.audio.source import Source, open_source
from speech_emotion.errors import EmptyAudioError

Samples = npt.NDArray[np.float32]


class BlockSource:
    """Samples in blocks of up to a second or so, to be read once, in order.

    `info`: until the last block is read, what the header says, whose `frames` may be untrue, or 0; then the frames that
    were really decoded, and `damaged`.
    """

    def __init__(self, source: Source, limits: Limits) -> None:
        """Raises SampleRateError or ChannelsError."""
        limits.check(source.info)
        self.info = source.info
        self._source = source
        self._limits = limits

    @property
    def damaged(self) -> bool:
        """Whether something could not be decoded and is left out; known when the last block is read."""
        return self.info.damaged

    def __iter__(self) -> Iterator[Samples]:
        """Float32 `[channels, samples]`, in -1..1 where the file's numbers are integers.

        Raises, after the blocks before it: CorruptAudioError, NonFiniteAudioError, EmptyAudioError for no samples at
        all, DurationError or SamplesError; from a pool also DecoderFailedError and DecoderDeadlineError.
        """
        frames = 0
        for block in self._source.blocks:
            frames += block.shape[0]
            self._limits.check_length(frames, self.info)
            require_finite(block)
            yield block.T
        if not frames:
            raise EmptyAudioError("the audio has no samples")
        self.info = replace(self.info, frames=frames, damaged=self._source.damaged)


@contextmanager
def open_blocks(source: bytes | BinaryIO, limits: Limits, hints: Hints = NO_HINTS) -> Iterator[BlockSource]:
    """Open a file's bytes, or a file that is open in binary mode, and decode it in this process, block by block.

    Raises EmptyAudioError, UnsupportedFormatError, CorruptAudioError, TrackError, or a LimitError.
    """
    content = content_of(source, hints)
    with ExitStack() as stack:
        plain = open_plain(content, hints, limits)
        yield BlockSource(plain or open_source(content, hints, limits, stack), limits)


def gather(blocks: BlockSource, limits: Limits) -> tuple[Samples, AudioInfo]:
    """All of a clip, `[channels, samples]`, and what it is. Raises what reading the blocks does.

    Room for the longest clip allowed is only reserved: memory is taken as it is written.
    """
    room = np.empty(limits.most_samples(blocks.info), np.float32)
    used = 0
    for block in blocks:
        room[used : used + block.size] = block.T.reshape(-1)
        used += block.size
    return room[:used].reshape(-1, blocks.info.channels).T, blocks.info
