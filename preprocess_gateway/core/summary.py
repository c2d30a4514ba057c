"""What a recording or a stream holds altogether: shares of time, segments, and the emotion of the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from preprocess_gateway.core.answer import Audio, LongWindow, Model, Seconds, WholeVerdict, verdict
from preprocess_gateway.core.windows import AnsweredWindow
from speech_emotion.audio.quality import QUALITY_WARNINGS, QualityWarning


class Segment(BaseModel):
    """Neighbouring windows of one emotion, joined."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    channel: int | SkipJsonSchema[None] = Field(default=None, ge=1)
    """Which channel it is of, counted from 1; only there with `channels=separate`."""
    start_s: Seconds
    """Start in the recording, in seconds."""
    end_s: Seconds
    """End in the recording, in seconds."""
    emotion: str
    """The windows' emotion."""
    confidence: float = Field(ge=0, le=1)
    """Mean of the windows' confidence, each counted by the seconds that it has in the segment."""
    uncertain: bool
    """Whether `confidence` is below GATEWAY_MIN_CONFIDENCE."""


class WholeRecording(WholeVerdict):
    """A recording, or one channel of it, from its start to its end."""

    windows: int = Field(ge=0)
    """How many windows there are, those without speech included."""
    time_share: dict[str, float]
    """Share of the time (0 to 1) that each emotion has, in the model's order."""
    no_speech_share: float = Field(ge=0, le=1)
    """Share of the time without speech; with `time_share` the sum is 1."""
    segments: tuple[Segment, ...]
    """What has one emotion from its start to its end, in order; what lies between them has no speech."""


class ChannelRecording(WholeRecording):
    """One channel of a recording."""

    channel: int = Field(ge=1)
    """Which channel of the recording, counted from 1."""


class RecordingAnswer(WholeVerdict):
    """A recording: what is known of it at its end."""

    windows: int = Field(ge=0)
    """How many windows there are, those without speech and those of every channel included."""
    time_share: dict[str, float] | SkipJsonSchema[None] = None
    """Share of the time (0 to 1) that each emotion has, in the model's order; not there with `channels=separate`."""
    no_speech_share: float | SkipJsonSchema[None] = Field(default=None, ge=0, le=1)
    """Share of the time without speech; with `time_share` the sum is 1."""
    segments: tuple[Segment, ...] | SkipJsonSchema[None] = None
    """What has one emotion from its start to its end, in order; what lies between them has no speech."""
    timeline: tuple[LongWindow, ...] | SkipJsonSchema[None] = None
    """Each window in order; only there in an answer that comes at once, as `application/json`."""
    channels: tuple[ChannelRecording, ...] | SkipJsonSchema[None] = None
    """Each channel in order; only there with `channels=separate`. The recording has no emotion of its own then."""
    model: Model
    """Which model answered; the version is the one that answered last."""
    audio: Audio
    """What was heard."""

    def to_json(self, request_id: str) -> dict[str, Any]:
        """The summary as clients get it."""
        return {**self.model_dump(mode="json", exclude_unset=True), "request_id": request_id}


class Summary:
    """Sums up the windows of a recording or stream as they come; holds the segments, and no window but the last.

    Where windows overlap, each instant belongs to the window whose centre is nearest.
    """

    def __init__(self, emotions: tuple[str, ...], top: int | None, min_confidence: float, channels: int | None) -> None:
        """`channels`: how many are answered for themselves, None for the mixture."""
        numbers = [None] if channels is None else list(range(1, channels + 1))
        self._separate = channels is not None
        self._channels = {number: _Channel(number, emotions, top, min_confidence) for number in numbers}

    def add(self, window: AnsweredWindow) -> list[Segment]:
        """Count a window; returns the segment that ended before it, if one did."""
        return self._channels[window.channel].add(window)

    def end(self) -> list[Segment]:
        """No window comes any more; returns the segments that end here. Called once, before `answer`."""
        return [segment for channel in self._channels.values() for segment in channel.end()]

    def open_since(self) -> float:
        """Where the earliest segment begins that may still be returned, in seconds; infinity after the end."""
        return min(channel.open_since for channel in self._channels.values())

    def answer(self, warnings: Sequence[tuple[QualityWarning, ...]], model: Model, audio: Audio) -> RecordingAnswer:
        """The answer for the whole; `warnings` of the mixture, or of each channel."""
        parts = [channel.describe(warned) for channel, warned in zip(self._channels.values(), warnings, strict=True)]
        if not self._separate:
            return RecordingAnswer(**parts[0], model=model, audio=audio)
        warned = {code for part in parts for code in part["warnings"]}
        return RecordingAnswer(
            **verdict(None, (), None, "separate_channels"),
            uncertain=False,
            warnings=tuple(code for code in QUALITY_WARNINGS if code in warned),
            windows=sum(part["windows"] for part in parts),
            channels=tuple(ChannelRecording(channel=number, **part) for number, part in enumerate(parts, 1)),
            model=model,
            audio=audio,
        )


@dataclass
class _Stretch:
    """Neighbouring windows of one emotion."""

    emotion: int | None
    start_s: float
    seconds: float = 0.0
    weighted: float = 0.0


class _Channel:
    def __init__(self, number: int | None, emotions: tuple[str, ...], top: int | None, min_confidence: float) -> None:
        self._number = {} if number is None else {"channel": number}
        self._emotions = emotions
        self._top = top
        self._min_confidence = min_confidence
        self._last: AnsweredWindow | None = None
        self._from_s = 0.0  # where the last window's own time begins
        self._open = _Stretch(None, 0.0)
        self._segments: list[Segment] = []
        self._seconds = np.zeros(len(emotions) + 1)  # of each emotion, then without speech
        self._rows: npt.NDArray[np.float64] = np.zeros(len(emotions))
        self._spoken = self._windows = 0

    @property
    def open_since(self) -> float:
        if self._last is None:
            return self._from_s
        return self._from_s if self._open.emotion is None else self._open.start_s

    def add(self, window: AnsweredWindow) -> list[Segment]:
        self._windows += 1
        if window.row is not None:
            self._spoken += 1
            self._rows += window.row
        last, self._last = self._last, window
        if last is None:
            self._from_s = self._open.start_s = window.start_s
            return []
        return self._count(last, (last.start_s + last.end_s + window.start_s + window.end_s) / 4)

    def end(self) -> list[Segment]:
        last, self._last = self._last, None
        if last is None:
            return []
        found = [*self._count(last, last.end_s), *self._close(last.end_s)]
        self._from_s, self._open = float("inf"), _Stretch(None, float("inf"))
        return found

    def _count(self, window: AnsweredWindow, until_s: float) -> list[Segment]:
        """The time from where the window's own begins until `until_s` is the window's."""
        seconds = max(0.0, until_s - self._from_s)
        emotion = None if window.row is None else int(window.row.argmax())
        closed = self._close(self._from_s) if emotion != self._open.emotion else []
        if closed or emotion != self._open.emotion:
            self._open = _Stretch(emotion, self._from_s)
        self._seconds[-1 if emotion is None else emotion] += seconds
        self._open.seconds += seconds
        self._open.weighted += 0.0 if window.row is None else seconds * min(1.0, float(window.row.max()))
        self._from_s = until_s
        return closed

    def _close(self, end_s: float) -> list[Segment]:
        stretch = self._open
        if stretch.emotion is None or not stretch.seconds:
            return []
        confidence = stretch.weighted / stretch.seconds
        segment = Segment(
            **self._number,
            start_s=stretch.start_s,
            end_s=end_s,
            emotion=self._emotions[stretch.emotion],
            confidence=confidence,
            uncertain=confidence < self._min_confidence,
        )
        self._segments.append(segment)
        return [segment]

    def describe(self, warnings: tuple[QualityWarning, ...]) -> dict[str, Any]:
        """Fields of a WholeRecording."""
        said = verdict(self._rows / self._spoken if self._spoken else None, self._emotions, self._top)
        confidence = said["confidence"]
        shares = self._seconds / max(self._seconds.sum(), np.finfo(float).tiny)
        return {
            **said,
            "uncertain": confidence is not None and confidence < self._min_confidence,
            "warnings": warnings,
            "windows": self._windows,
            "time_share": dict(zip(self._emotions, shares[:-1].tolist(), strict=True)),
            "no_speech_share": float(shares[-1]),
            "segments": tuple(self._segments),
        }
