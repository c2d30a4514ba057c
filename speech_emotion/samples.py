"""The recordings of people that ship, to try the service with: RAVDESS, CC BY-NC-SA 4.0 (`samples/README.md`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from speech_emotion.errors import SpeechEmotionError

FOLDER: Final = Path(__file__).parent / "sample_clips"  # in a clone a link to `samples/`, in a wheel the files
INDEX: Final = "index.json"


class UnknownSampleError(SpeechEmotionError):
    """There is no sample of this name."""

    code = "unknown_sample"


@dataclass(frozen=True)
class Sample:
    """A recording of one sentence, and where it comes from."""

    name: str
    file: str
    """In `FOLDER`: FLAC, 16 kHz, one channel."""
    emotion: str
    """What the actor was asked to express."""
    intensity: str
    sentence: str
    actor: str
    sex: str
    held_out_confidence: float
    """Lowest probability of `emotion` by networks that had not heard the actor: of `whisper`, a seed each."""
    licence: str
    attribution: str
    source: str
    """Name of the file in RAVDESS."""

    def read(self) -> bytes:
        """The file as it lies there. Raises OSError."""
        return (FOLDER / self.file).read_bytes()


@cache
def samples() -> tuple[Sample, ...]:
    """All of them, the one to show first in front."""
    return tuple(Sample(**entry) for entry in json.loads((FOLDER / INDEX).read_text("utf-8"))["samples"])


def find_sample(name: str) -> Sample:
    """The sample of a name. Raises UnknownSampleError."""
    for sample in samples():
        if sample.name == name:
            return sample
    raise UnknownSampleError(f"there is no sample {name!r}; there are {', '.join(s.name for s in samples())}")
