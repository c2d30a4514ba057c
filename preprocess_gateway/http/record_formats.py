"""What is said of a recording, as NDJSON, CSV, WebVTT or one JSON document."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from heapq import heappop, heappush
from typing import Any, ClassVar

from flask import Request
from werkzeug.datastructures import MIMEAccept

from preprocess_gateway.core.answer import LongWindow
from preprocess_gateway.core.recordings import EndedSegment, Event, Progress
from preprocess_gateway.core.summary import RecordingAnswer
from preprocess_gateway.errors import NotAcceptableError
from speech_emotion import captions

Problem = Mapping[str, Any]


class RecordFormat(ABC):
    """Writes events as they come; what a method returns may be empty."""

    media_type: ClassVar[str]
    content_type: ClassVar[str]

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id

    def begin(self) -> str:
        """What stands before everything else."""
        return ""

    @abstractmethod
    def write(self, event: Event) -> str:
        """What an event adds, Progress aside."""

    @abstractmethod
    def progress(self, heard: Progress) -> str:
        """What is sent while nothing is known for a while."""

    @abstractmethod
    def problem(self, problem: Problem) -> str:
        """What ends a recording that fails after its beginning; all before it stays valid."""


class Ndjson(RecordFormat):
    """A JSON object a line: `window`, `progress`, and last `summary` or `problem`."""

    media_type = "application/x-ndjson"
    content_type = "application/x-ndjson"

    def write(self, event: Event) -> str:
        """A line for a window and for the summary, which has the segments."""
        match event:
            case LongWindow():
                return _line("window", event.model_dump(mode="json", exclude_unset=True))
            case RecordingAnswer():
                return _line("summary", event.to_json(self._request_id))
            case _:
                return ""

    def progress(self, heard: Progress) -> str:
        """A line with the seconds heard, and how long the recording is if its header says so."""
        known = {} if heard.duration_s is None else {"duration_s": round(heard.duration_s, 3)}
        return _line("progress", {"heard_s": round(heard.heard_s, 3), **known})

    def problem(self, problem: Problem) -> str:
        """The problem document as a line, whose `type` is that of the line."""
        return _line("problem", {name: value for name, value in problem.items() if name != "type"})


class Csv(RecordFormat):
    """A row for each window; a problem is a last row that has nothing but `error_code` and `error`."""

    media_type = "text/csv"
    content_type = "text/csv; charset=utf-8; header=present"
    COLUMNS = (
        "channel", "start_s", "end_s", "emotion", "confidence", "uncertain", "reason", "probabilities",
        "error_code", "error",
    )  # fmt: skip

    def begin(self) -> str:
        """The names of the columns."""
        return _row(self.COLUMNS)

    def write(self, event: Event) -> str:
        """A window's row; probabilities are JSON, as the emotions are the model's."""
        if not isinstance(event, LongWindow):
            return ""
        known = event.model_dump(mode="json")
        known["probabilities"] = json.dumps(event.probabilities) if event.probabilities else None
        known["uncertain"] = str(event.uncertain).lower()
        return _row([known.get(name) for name in self.COLUMNS])

    def progress(self, heard: Progress) -> str:  # noqa: ARG002
        """Nothing: a file of this format has no comments."""
        return ""

    def problem(self, problem: Problem) -> str:
        """The last row."""
        last = {"error_code": problem["code"], "error": problem["detail"]}
        return _row([last.get(name) for name in self.COLUMNS])


class Vtt(RecordFormat):
    """A caption for each segment, in order of their start; a problem is a last comment."""

    media_type = captions.MEDIA_TYPE
    content_type = f"{captions.MEDIA_TYPE}; charset=utf-8"

    def __init__(self, request_id: str) -> None:
        super().__init__(request_id)
        self._held: list[tuple[float, int, str]] = []  # segments that another channel may still have an earlier one to

    def begin(self) -> str:
        """The line that every such file begins with."""
        return captions.HEADER

    def write(self, event: Event) -> str:
        """The captions that nothing can come before any more."""
        match event:
            case EndedSegment(segment=segment):
                text = captions.caption(
                    segment.start_s,
                    segment.end_s,
                    segment.emotion,
                    segment.confidence,
                    uncertain=segment.uncertain,
                    channel=segment.channel,
                )
                heappush(self._held, (segment.start_s, segment.channel or 0, text))
                return self._before(event.open_since_s)
            case RecordingAnswer():
                return self._before(float("inf")) + captions.note(f"heard {event.audio.duration_s:.3f} s")
            case _:
                return ""

    def progress(self, heard: Progress) -> str:
        """A comment."""
        return captions.note(f"heard {heard.heard_s:.1f} s")

    def problem(self, problem: Problem) -> str:
        """What is still held, and a comment."""
        return self._before(float("inf")) + captions.note(f"problem {problem['code']}: {problem['detail']}")

    def _before(self, start_s: float) -> str:
        text = ""
        while self._held and self._held[0][0] < start_s:
            text += heappop(self._held)[2]
        return text


STREAMED: Mapping[str, type[RecordFormat]] = {kind.media_type: kind for kind in (Ndjson, Csv, Vtt)}
JSON = "application/json"
MEDIA_TYPES = (Ndjson.media_type, JSON, Csv.media_type, Vtt.media_type)
"""What `Accept` may ask for; the first without one."""


def accepted(request: Request) -> str:
    """The media type that a request wants most. Raises NotAcceptableError if it wants none of `MEDIA_TYPES`."""
    asked = request.accept_mimetypes
    if not asked:
        return MEDIA_TYPES[0]
    # Without parameters, such as a charset: there is one answer of each type.
    plain = MIMEAccept((media_type.partition(";")[0].strip(), quality) for media_type, quality in asked)
    if (best := plain.best_match(MEDIA_TYPES)) is None:
        raise NotAcceptableError(f"A recording is answered as {', '.join(MEDIA_TYPES[:-1])} or {MEDIA_TYPES[-1]}")
    return best


def _line(kind: str, members: Mapping[str, Any]) -> str:
    return json.dumps({"type": kind, **members}) + "\n"


def _row(values: Any) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(values)
    return buffer.getvalue()
