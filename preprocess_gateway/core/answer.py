"""From the probabilities of a clip's windows to the answer for the clip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from speech_emotion import hearing
from speech_emotion.audio import NO_HINTS, Hints
from speech_emotion.audio.quality import QUALITY_WARNINGS, QualityWarning

Reason = Literal["no_speech", "separate_channels"]
Channels = Literal["mix", "separate"]
Seconds = Annotated[float, AfterValidator(lambda seconds: round(seconds, 3))]
"""A time in an answer, in whole milliseconds: with one rule for all, no window ends after its clip."""


@dataclass(frozen=True)
class PredictOptions:
    """What a client asks for: the `top` most probable emotions (none: all, in the model's order), a timeline.

    `emotions`: the answer is one of these (none: of all that the model knows). `hints` are for the decoder: which track
    is meant, and what samples without a header are.
    `channels`: mixed into one, or each answered for itself.
    """

    top: int | None = None
    timeline: bool = False
    emotions: tuple[str, ...] | None = None
    hints: Hints = NO_HINTS
    channels: Channels = "mix"


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

    duration_s: Seconds
    """Seconds, in whole milliseconds as all times of an answer."""
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
    """Why there is no emotion, only there where `emotion` is null: `no_speech`, or `separate_channels` of a clip whose
    channels have answers of their own."""


class Window(Verdict):
    """One window of the clip, as the model heard it."""

    start_s: Seconds
    """Start in the clip, in seconds."""
    end_s: Seconds
    """End in the clip, in seconds: never after the clip's own end, its `duration_s`."""


class LongWindow(Window):
    """One window of a recording or of a live stream."""

    channel: int | SkipJsonSchema[None] = Field(default=None, ge=1)
    """Which channel it is of, counted from 1; only there with `channels=separate`."""
    uncertain: bool
    """Whether `confidence` is below GATEWAY_MIN_CONFIDENCE; false where `emotion` is null."""


class WholeVerdict(Verdict):
    """The emotion of audio from its start to its end."""

    uncertain: bool
    """Whether `confidence` is below GATEWAY_MIN_CONFIDENCE; false where `emotion` is null."""
    warnings: tuple[QualityWarning, ...]
    """What makes the recording hard to judge."""
    timeline: tuple[Window, ...] | SkipJsonSchema[None] = None
    """Each window in order; only there if asked for."""


class Channel(WholeVerdict):
    """The emotion of one channel."""

    channel: int = Field(ge=1)
    """Which channel of the file, counted from 1."""


class Answer(WholeVerdict):
    """A clip's emotion."""

    channels: tuple[Channel, ...] | SkipJsonSchema[None] = None
    """Each channel in order; only there with `channels=separate`. The clip has no emotion of its own then, and every
    warning that a channel has."""
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
    parts: Sequence[hearing.Heard],
    model: Model,
    options: PredictOptions,
    min_confidence: float,
) -> Answer:
    """The answer from what was heard, the mixture or each channel, and from `rows` `[windows with speech, emotions]`.

    `rows` has one row for each window with speech of each of the `parts`, in their order.
    """
    heard, end = [], 0
    for part in parts:
        begin, end = end, end + int(part.speech.sum())
        heard.append(_heard(rows[begin:end], emotions, part, options, min_confidence))
    info = parts[0].info
    return Answer(
        **(heard[0] if options.channels == "mix" else _separate(heard)),
        model=model,
        audio=Audio(
            duration_s=info.duration_s, sample_rate=info.sample_rate, channels=info.channels, format=info.format
        ),
    )


def _separate(heard: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Fields of an Answer that says nothing for the clip: who does not know `channels` must not be misled."""
    warned = {code for part in heard for code in part["warnings"]}
    return {
        **verdict(None, (), None, "separate_channels"),
        "uncertain": False,
        "warnings": tuple(code for code in QUALITY_WARNINGS if code in warned),
        "channels": tuple(Channel(channel=number, **part) for number, part in enumerate(heard, 1)),
    }


def _heard(
    rows: npt.NDArray[np.float32],
    emotions: tuple[str, ...],
    heard: hearing.Heard,
    options: PredictOptions,
    min_confidence: float,
) -> dict[str, Any]:
    """Fields of a WholeVerdict."""
    said = verdict(clip_row(rows) if len(rows) else None, emotions, options.top)
    confidence = said["confidence"]
    timeline = {"timeline": tuple(_windows(rows, emotions, heard, options.top))} if options.timeline else {}
    uncertain = confidence is not None and confidence < min_confidence
    return {**said, **timeline, "uncertain": uncertain, "warnings": heard.warnings}


def _windows(
    rows: npt.NDArray[np.float32], emotions: tuple[str, ...], heard: hearing.Heard, top: int | None
) -> Iterator[Window]:
    answered = iter(rows)
    for (start_s, end_s), speech in zip(heard.spans, heard.speech, strict=True):
        said = verdict(next(answered) if speech else None, emotions, top)
        yield Window(start_s=start_s, end_s=end_s, **said)


def verdict(
    row: npt.NDArray[np.floating[Any]] | None, emotions: tuple[str, ...], top: int | None, reason: Reason = "no_speech"
) -> dict[str, Any]:
    """Fields of a Verdict; of equally probable emotions the model's first comes first."""
    if row is None:
        return {"emotion": None, "confidence": None, "probabilities": None, "reason": reason}
    ranked = np.argsort(-row, kind="stable")
    shown = range(len(emotions)) if top is None else ranked[:top]
    return {
        "emotion": emotions[ranked[0]],
        "confidence": min(1.0, float(row[ranked[0]])),  # a float32 softmax may end above 1
        "probabilities": {emotions[n]: float(row[n]) for n in shown},
    }
