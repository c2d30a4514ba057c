"""What a file's header says, before a sample is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AudioInfo:
    """A file's header: container (`WAV`), encoding (`PCM_16`), Hz, channels, samples per channel.

    `frames` is 0 where the header does not say how many there are (FLAC and WebM as they are streamed).
    """

    format: str
    subtype: str
    sample_rate: int
    channels: int
    frames: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate
