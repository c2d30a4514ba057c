"""From the probabilities of a clip's windows to the answer for the clip."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from speech_emotion.audio import AudioInfo


@dataclass(frozen=True)
class Model:
    """Which model answered."""

    name: str
    version: int
    label: str


@dataclass(frozen=True)
class Audio:
    """What was heard."""

    duration_s: float
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Answer:
    """A clip's emotion."""

    emotion: str
    confidence: float
    probabilities: dict[str, float]
    model: Model
    audio: Audio

    def to_json(self, request_id: str) -> dict[str, Any]:
        """The body of a 200."""
        return {**asdict(self), "request_id": request_id}


def build_answer(windows: npt.NDArray[np.float32], labels: tuple[str, ...], model: Model, info: AudioInfo) -> Answer:
    """Average `[windows, labels]` to the clip: float32 rows that sum to 1 keep that sum."""
    clip = windows.mean(axis=0, dtype=np.float64)
    best = int(clip.argmax())
    return Answer(
        emotion=labels[best],
        confidence=float(clip[best]),
        probabilities=dict(zip(labels, clip.tolist(), strict=True)),
        model=model,
        audio=Audio(info.duration_s, info.sample_rate, info.channels),
    )
