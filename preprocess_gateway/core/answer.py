"""From the probabilities of a clip's windows to the answer for the clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from speech_emotion.audio import NO_HINTS, Hints
from speech_emotion.audio.quality import QualityWarning
from speech_emotion.hearing import Heard

Reason = Literal["no_speech"]


@dataclass(frozen=True)
class PredictOptions:
    """What a client asks for: the `top` most probable emotions (none: all, in the model's order), a timeline.

    `hints` are for the decoder: which track is meant, and what samples without a header are.
    """

    top: int | None = None
    timeline: bool = False
    hints: Hints = NO_HINTS


class _Part(BaseModel):
    """A part of the JSON body: what was not set is left out of it."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Model(_Part):
    """Which model answered."""

    name: str
    """Name in the model server."""
    version: int
    """Version that made features and probabilities."""
    label: str
    """Label that named the version."""


class Audio(_Part):
    """What was decoded."""

    duration_s: float
    """Seconds."""
    sample_rate: int
    """Hz of the file, before resampling."""
    channels: int
    """Channels of the file, before mixing down."""
    format: str
    """Container, as the content says: `WAV`, `FLAC`, `OGG` ..."""


class Verdict(_Part):
    """The emotion of a stretch of audio."""

    emotion: str | None
    """Most probable emotion; null where there is no speech."""
    confidence: float | None = Field(ge=0, le=1)
    """Its probability; null where there is no speech."""
    probabilities: dict[str, float] | None
    """Probability of each emotion in the model's order, or of the `top` most probable; null without speech."""
    reason: Reason | SkipJsonSchema[None] = None
    """Why there is no emotion; only there where `emotion` is null."""


class Window(Verdict):
    """One window of the clip, as the model heard it."""

    start_s: float
    """Start in the clip, in seconds."""
    end_s: float
    """End in the clip, in seconds: never after the clip's own end."""


class Answer(Verdict):
    """A clip's emotion."""

    uncertain: bool
    """Whether `confidence` is below GATEWAY_MIN_CONFIDENCE; false where there is no speech."""
    warnings: tuple[QualityWarning, ...]
    """What makes the recording hard to judge."""
    timeline: tuple[Window, ...] | SkipJsonSchema[None] = None
    """Each window of the clip in order; only there if asked for."""
    model: Model
    """Which model answered."""
    audio: Audio
    """What was decoded."""

    def to_json(self, request_id: str) -> dict[str, Any]:
        """The body of a 200."""
        return {**self.model_dump(mode="json", exclude_unset=True), "request_id": request_id}


def most_probable(rows: npt.NDArray[np.float32], emotions: tuple[str, ...]) -> str | None:
    """The emotion of a clip from `rows` `[windows with speech, emotions]`; none where no window has speech."""
    return emotions[int(clip_row(rows).argmax())] if len(rows) else None


def clip_row(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.floating[Any]]:
    """Probabilities `[emotions]` of a clip: the mean over its windows with speech, whose sum stays 1."""
    return np.asarray(rows.mean(axis=0, dtype=np.float64))


def build_answer(
    rows: npt.NDArray[np.float32],
    emotions: tuple[str, ...],
    heard: Heard,
    model: Model,
    options: PredictOptions,
    min_confidence: float,
) -> Answer:
    """The answer from `rows` `[windows with speech, emotions]`: one row for each window with speech."""
    verdict = _verdict(clip_row(rows) if len(rows) else None, emotions, options.top)
    confidence = verdict["confidence"]
    timeline = {"timeline": tuple(_windows(rows, emotions, heard, options.top))} if options.timeline else {}
    info = heard.info
    return Answer(
        **verdict,
        **timeline,
        uncertain=confidence is not None and confidence < min_confidence,
        warnings=heard.warnings,
        model=model,
        audio=Audio(
            duration_s=info.duration_s, sample_rate=info.sample_rate, channels=info.channels, format=info.format
        ),
    )


def _windows(
    rows: npt.NDArray[np.float32], emotions: tuple[str, ...], heard: Heard, top: int | None
) -> Iterator[Window]:
    answered = iter(rows)
    for (start_s, end_s), speech in zip(heard.spans, heard.speech, strict=True):
        verdict = _verdict(next(answered) if speech else None, emotions, top)
        yield Window(start_s=round(start_s, 3), end_s=round(end_s, 3), **verdict)


def _verdict(row: npt.NDArray[np.floating[Any]] | None, emotions: tuple[str, ...], top: int | None) -> dict[str, Any]:
    """Fields of a Verdict; of equally probable emotions the model's first comes first."""
    if row is None:
        return {"emotion": None, "confidence": None, "probabilities": None, "reason": "no_speech"}
    ranked = np.argsort(-row, kind="stable")
    shown = range(len(emotions)) if top is None else ranked[:top]
    return {
        "emotion": emotions[ranked[0]],
        "confidence": min(1.0, float(row[ranked[0]])),  # a float32 softmax may end above 1
        "probabilities": {emotions[n]: float(row[n]) for n in shown},
    }
