"""Formats that libsndfile reads, for installations without PyAV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np
import numpy.typing as npt
import soundfile

from speech_emotion.audio.content import Content
from speech_emotion.audio.kinds import Kind
from speech_emotion.audio.probe import AudioInfo
from speech_emotion.errors import CorruptAudioError, EmptyAudioError

KINDS = frozenset({Kind.WAV, Kind.W64, Kind.AIFF, Kind.AU, Kind.FLAC, Kind.OGG})
BLOCK_FRAMES = 4_096  # a block is lost as a whole
LENGTH_UNKNOWN = 2**63 - 1  # libsndfile's, for a FLAC whose encoder could not seek back


class _Stream(soundfile.SoundFile):  # type: ignore[misc]  # it has no types
    """Read from start to end. soundfile seeks after every read where it can, which fails without a known length."""

    def seekable(self) -> bool:
        return False


class Sound:
    """An open file, as `source.Source` describes it."""

    def __init__(self, content: Content, stack: ExitStack) -> None:
        """Raises EmptyAudioError or CorruptAudioError."""
        name = content.kind.name
        try:
            sound = stack.enter_context(_Stream(content.data.file()))
        except (soundfile.SoundFileError, TypeError, MemoryError) as error:
            # TypeError: bytes that libsndfile takes for headerless audio
            raise CorruptAudioError(f"the {name} file is broken, or in an encoding that is not supported") from error
        if sound.frames <= 0:
            if content.kind is Kind.OGG:
                raise CorruptAudioError("the OGG file has no end")
            raise EmptyAudioError("the audio has no samples")
        self._sound = sound
        self._promised = 0 if sound.frames == LENGTH_UNKNOWN else sound.frames
        self.damaged = False
        self.info = AudioInfo(name, sound.subtype, sound.samplerate, sound.channels, self._promised)
        self.blocks = self._read()

    def _read(self) -> Iterator[npt.NDArray[np.float32]]:
        """What can be read. Raises CorruptAudioError where nothing can."""
        frames = 0
        try:
            while (block := self._sound.read(BLOCK_FRAMES, dtype="float32", always_2d=True)).shape[0]:
                frames += block.shape[0]
                yield block
        except soundfile.SoundFileError as error:
            if not frames:
                raise CorruptAudioError(f"nothing in the {self.info.format} file can be decoded") from error
        self.damaged = frames < self._promised
