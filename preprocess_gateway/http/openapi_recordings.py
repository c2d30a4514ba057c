"""The description of `/v1/recordings`: its lines, its forms, its errors."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import SkipJsonSchema

from preprocess_gateway.core.answer import LongWindow
from preprocess_gateway.core.summary import RecordingAnswer
from preprocess_gateway.http.openapi_parts import ANYWHERE, Json, bodies, problems, query_parameters
from preprocess_gateway.http.query import RecordingQuery
from preprocess_gateway.http.record_formats import JSON, Csv, Ndjson, Vtt
from preprocess_gateway.settings import Settings

LIMITS = (
    "max_recording_s", "max_recording_bytes", "max_recording_samples", "max_recordings", "min_sample_rate",
    "max_sample_rate", "max_channels", "window_deadline_s", "recording_block_s",
)  # fmt: skip


class RecordingSummary(RecordingAnswer):
    """The body of a 200 as `application/json`."""

    request_id: str
    """Also the header `X-Request-ID`."""


class WindowLine(LongWindow):
    """A line of NDJSON: a window, as soon as it is answered."""

    type: Literal["window"]
    """Always `window`."""


class ProgressLine(BaseModel):
    """A line of NDJSON: how far the recording is heard. It is the first line, and comes where nothing else does."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: Literal["progress"]
    """Always `progress`."""
    heard_s: float
    """Seconds heard."""
    duration_s: float | SkipJsonSchema[None] = None
    """Length in seconds, if the file's header says it."""


class SummaryLine(RecordingSummary):
    """The last line of NDJSON."""

    type: Literal["summary"]
    """Always `summary`."""


class ProblemLine(BaseModel):
    """The last line of NDJSON if the recording is not heard to its end. What came before it stays valid."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: Literal["problem"]
    """Always `problem`."""
    title: str
    """The code, in words."""
    status: int
    """The HTTP status that the error has elsewhere."""
    code: str
    """Stable name of the error."""
    detail: str
    """What was wrong with this recording."""
    request_id: str
    """Also the header `X-Request-ID`."""


MODELS: tuple[type[BaseModel], ...] = (RecordingSummary, WindowLine, ProgressLine, SummaryLine, ProblemLine)
"""What the description refers to."""
_HAPPY = {"emotion": "happy", "confidence": 0.81, "probabilities": {"happy": 0.81}}
_SEGMENT = {"start_s": 0.0, "end_s": 6.0, "emotion": "happy", "confidence": 0.81, "uncertain": False}
_LINES = (
    {"type": "progress", "heard_s": 1.0, "duration_s": 6.0},
    {"type": "window", **_HAPPY, "start_s": 0.0, "end_s": 4.0, "uncertain": False},
    {"type": "window", **_HAPPY, "start_s": 2.0, "end_s": 6.0, "uncertain": False},
    {
        "type": "summary", **_HAPPY, "uncertain": False, "warnings": [], "windows": 2, "time_share": {"happy": 1.0},
        "no_speech_share": 0.0, "segments": [_SEGMENT],
        "model": {"name": "speech_emotion", "version": 3, "label": "stable"},
        "audio": {"duration_s": 6.0, "sample_rate": 16000, "channels": 1, "format": "WAV"},
        "request_id": "f289c3066495cdd33bed6ef077d238ce",
    },
)  # fmt: skip
EXAMPLES = {
    Ndjson.media_type: "".join(json.dumps(line) + "\n" for line in _LINES),
    Csv.media_type: ",".join(Csv.COLUMNS) + '\r\n,0.0,4.0,happy,0.81,false,,"{""happy"": 0.81}",,\r\n',
    Vtt.media_type: "WEBVTT\n\n00:00:00.000 --> 00:00:06.000\nhappy 81%\n\n",
}


def recordings_path(settings: Settings) -> Json:
    """`POST /v1/recordings` of a gateway with these settings."""
    limits = "".join(f"\n- `GATEWAY_{name.upper()}`: {getattr(settings, name)}" for name in LIMITS)
    return {
        "operationId": "recordings",
        "tags": ["recordings"],
        "summary": "The emotions of a long recording, while it is heard",
        "description": (
            "`Accept` decides the form of the answer, NDJSON without one. An error after the first line is a last line "
            f"of that form. Limits of this gateway:\n{limits}"
        ),
        "parameters": query_parameters(RecordingQuery),
        "requestBody": {"required": True, "content": bodies()},
        "responses": {
            "200": {"description": "The windows and the summary, as they are known.", "content": _forms()},
            **problems(lambda error: error.status not in ANYWHERE),
            **problems(lambda error: error.status in ("4XX", "500")),
        },
    }


def _forms() -> Json:
    lines = " | ".join(model.__name__ for model in MODELS[1:])
    texts = {
        Ndjson.media_type: f"A JSON object a line: {lines}.",
        Csv.media_type: "A row for each window.",
        Vtt.media_type: "WebVTT: a caption for each segment.",
    }
    as_text = {
        media_type: {"schema": {"type": "string", "description": text}, "example": EXAMPLES[media_type]}
        for media_type, text in texts.items()
    }
    return {**as_text, JSON: {"schema": {"$ref": f"#/components/schemas/{RecordingSummary.__name__}"}}}
