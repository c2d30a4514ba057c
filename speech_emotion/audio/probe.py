"""What a file's header says, before a sample is decoded."""

from __future__ import annotations

import io
from dataclasses import dataclass

import soundfile

from speech_emotion.errors import EmptyAudioError, UnsupportedFormatError


@dataclass(frozen=True)
class AudioInfo:
    """A file's header: container (`WAV`), encoding (`PCM_16`), Hz, channels, samples per channel."""

    format: str
    subtype: str
    sample_rate: int
    channels: int
    frames: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


def probe(data: bytes) -> AudioInfo:
    """Read the header of an audio file; the content decides what it is, never a name.

    Raises EmptyAudioError if there are no bytes or no frames, UnsupportedFormatError if libsndfile
    does not know the header.
    """
    if not data:
        raise EmptyAudioError("the file is empty")
    with open_sound(data) as sound:
        return info_of(sound)


def open_sound(data: bytes) -> soundfile.SoundFile:
    """Open `data` with libsndfile. Raises UnsupportedFormatError."""
    try:
        return soundfile.SoundFile(io.BytesIO(data))
    except (soundfile.SoundFileError, TypeError) as error:
        # TypeError: bytes that libsndfile takes for headerless audio
        raise UnsupportedFormatError("the bytes are not an audio format that is read here") from error


def info_of(sound: soundfile.SoundFile) -> AudioInfo:
    """Describe an open file. Raises EmptyAudioError if its header promises no frames."""
    if sound.frames <= 0:
        raise EmptyAudioError("the audio has no samples")
    return AudioInfo(sound.format, sound.subtype, sound.samplerate, sound.channels, sound.frames)
