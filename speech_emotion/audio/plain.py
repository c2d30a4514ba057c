"""What most clients send, 16-bit PCM in a well-formed WAV, read by Python alone: no native parser sees it."""

from __future__ import annotations

import wave
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from speech_emotion.audio.content import Content
from speech_emotion.audio.hints import Hints
from speech_emotion.audio.kinds import Kind
from speech_emotion.audio.limits import Limits
from speech_emotion.audio.probe import AudioInfo

BLOCK_FRAMES = 32_768


class Plain:
    """What `source.Source` describes, with the very numbers that a decoder gives; its header is true."""

    damaged = False

    def __init__(self, file: wave.Wave_read, info: AudioInfo) -> None:
        self._file = file
        self.info = info
        self.blocks = self._blocks()

    def _blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        # Part of a sample may follow the last one, where a file is cut.
        for at in range(0, self.info.frames, BLOCK_FRAMES):
            pcm = self._file.readframes(min(BLOCK_FRAMES, self.info.frames - at))
            samples = np.frombuffer(pcm, "<i2") * np.float32(1 / 32_768)
            yield samples.reshape(-1, self.info.channels)


def open_plain(content: Content, hints: Hints, limits: Limits) -> Plain | None:
    """The clip, read as its blocks are asked for; None where a decoder must look.

    Raises a LimitError.
    """
    data = content.data
    if content.kind is not Kind.WAV or data[:4] != b"RIFF" or hints.track not in (None, 1):
        return None
    try:
        file = wave.open(data.file())  # noqa: SIM115  # it holds nothing that has to be closed
        rate, channels, frames = file.getframerate(), file.getnchannels(), file.getnframes()
        if file.getsampwidth() != 2 or not rate or not channels or not frames:
            return None
        file.setpos(frames - 1)
        if len(file.readframes(1)) != 2 * channels:  # the samples end before they should
            return None
        file.rewind()
    except (wave.Error, EOFError, RuntimeError):
        return None
    info = AudioInfo("WAV", "PCM_S16LE", rate, channels, frames)
    limits.check(info)
    limits.check_length(frames, info)
    return Plain(file, info)
