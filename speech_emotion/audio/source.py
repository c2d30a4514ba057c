"""An open file as its header and blocks of samples, whichever library reads it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soundfile

from speech_emotion.audio import containers
from speech_emotion.audio.kinds import Kind, kind_of
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import CorruptAudioError, EmptyAudioError

Block = npt.NDArray[np.float32]
BLOCK_FRAMES = 65_536
LENGTH_UNKNOWN = 2**63 - 1  # libsndfile's, for a FLAC whose encoder could not seek back
FFMPEG = {Kind.MP4, Kind.MATROSKA, Kind.ADTS}


@dataclass(frozen=True)
class Source:
    """A header, and float32 blocks `[frames, channels]` in file order that are decoded as they are asked for."""

    info: AudioInfo
    blocks: Iterator[Block]


def open_source(data: bytes, stack: ExitStack) -> Source:
    """Open `data`, which stays open as long as `stack`; its first bytes decide what it is.

    Raises EmptyAudioError, UnsupportedFormatError or CorruptAudioError, as do the blocks.
    """
    kind = kind_of(data)
    if kind in FFMPEG:
        info, blocks = containers.open_container(data, kind, stack)
        return Source(info, blocks)
    try:
        sound = stack.enter_context(_Stream(io.BytesIO(data)))
    except (soundfile.SoundFileError, TypeError) as error:
        # TypeError: bytes that libsndfile takes for headerless audio
        raise CorruptAudioError(f"the {kind.name} file is broken, or in an encoding that is not read here") from error
    if sound.frames <= 0:
        if kind is Kind.OGG:
            raise CorruptAudioError("the OGG file has no end")
        raise EmptyAudioError("the audio has no samples")
    frames = 0 if sound.frames == LENGTH_UNKNOWN else sound.frames
    info = AudioInfo(sound.format, sound.subtype, sound.samplerate, sound.channels, frames)
    return Source(info, _read(sound, frames))


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # it has no types
    """Read from start to end. soundfile seeks after every read where it can, which fails without a known length."""

    def seekable(self) -> bool:
        return False


def _read(sound: soundfile.SoundFile, promised: int) -> Iterator[Block]:
    frames = 0
    try:
        while (block := sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)).shape[0]:
            frames += block.shape[0]
            yield block
    except soundfile.SoundFileError as error:
        raise CorruptAudioError(f"the audio cannot be decoded past {frames / sound.samplerate:.2f} s") from error
    if frames < promised:
        raise CorruptAudioError(f"the header promises {promised} frames, the file holds {frames}")
