"""What a file's header says, before a sample is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AudioInfo:
    """A clip: container (`WAV`), codec (`PCM_S16LE`), Hz, channels, samples per channel.

    Before a clip is decoded, `frames` is what its header promises, which may be untrue, or 0 where it says nothing.
    `damaged`, known once it is decoded: something in the file could not be decoded and is left out.
    """

    format: str
    subtype: str
    sample_rate: int
    channels: int
    frames: int
    damaged: bool = False

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate
