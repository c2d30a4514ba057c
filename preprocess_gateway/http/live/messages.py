"""The messages of a live stream: JSON in text frames; samples come in binary frames of any size.

A client sends Start, samples, and Finish. The gateway answers Ready, then a Window and a Now for each window as soon as
it is answered, and End after Finish; or an Error before it closes the connection.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from pydantic.json_schema import SkipJsonSchema

from preprocess_gateway.core.among import Emotions
from preprocess_gateway.core.answer import Model, Seconds, Window
from speech_emotion.audio.raw import Encoding
from speech_emotion.contract import MAX_LABELS

MAX_MESSAGE_BYTES = 4096
"""Size of a text message of a client."""


class _FromClient(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, strict=True)


class _FromGateway(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    def to_json(self) -> str:
        """The text of the message; what was not set is left out, but for its type."""
        kind: str = type(self).model_fields["type"].default
        return json.dumps({"type": kind, **self.model_dump(mode="json", exclude_unset=True)})


class Start(_FromClient):
    """The first message of a client: what its samples are, and how they are to be answered."""

    type: Literal["start"] = "start"
    """May be left out."""
    sample_rate: int = Field(ge=1, le=768_000)
    """Hz of the samples. GATEWAY_MIN_SAMPLE_RATE and GATEWAY_MAX_SAMPLE_RATE bound it further."""
    encoding: Encoding = "pcm_s16le"
    """16-bit or 32-bit floating-point samples, little-endian, or 8-bit mu-law (G.711)."""
    channels: int = Field(default=1, ge=1, le=64)
    """Channels, interleaved; they are mixed into one. GATEWAY_MAX_CHANNELS bounds them further."""
    stride_s: Annotated[float, Field(gt=0, le=60)] | SkipJsonSchema[None] = None
    """Seconds between the starts of two windows; without it, what the model was trained with."""
    top: Annotated[int, Field(ge=1, le=MAX_LABELS)] | SkipJsonSchema[None] = None
    """Return only the N most probable emotions, the most probable first (all, if N exceeds their number)."""
    emotions: Emotions | SkipJsonSchema[None] = None
    """Answer with one of these emotions, whose probabilities then have a sum of 1; without it, with any that the model
    knows."""
    start_s: float = Field(default=0.0, ge=0, le=1e7)
    """Time of the first sample in seconds, from which the times of all answers count. A stream that goes on where
    another was closed begins at the `resume_s` of that one's Error."""


class Finish(_FromClient):
    """The last message of a client: there are no more samples."""

    type: Literal["finish"]
    """Always `finish`."""


class ReadyMessage(_FromGateway):
    """The answer to Start: samples may be sent, and this is how they are heard."""

    type: Literal["ready"] = "ready"
    """Always `ready`."""
    model: Model
    """Which model answers the stream."""
    emotions: tuple[str, ...]
    """What the answers are among, in the order of the probabilities."""
    window_s: float
    """Seconds of one window: what a client has to keep, so that it can go on after a restart without a gap."""
    stride_s: float
    """Seconds between the starts of two windows."""
    ahead_s: float
    """GATEWAY_STREAM_AHEAD_S: seconds of sound by which the stream may be ahead of real time, counted from the start of
    this connection. What is sent again counts too."""
    time_constant_s: float
    """Time constant of the average in Now."""
    request_id: str
    """The stream's id, also the header `X-Request-ID`."""


class WindowMessage(_FromGateway, Window):
    """The emotion of a window, sent as soon as it is known."""

    type: Literal["window"] = "window"
    """Always `window`."""
    uncertain: bool
    """Whether `confidence` is below GATEWAY_MIN_CONFIDENCE; false where `emotion` is null."""


class NowMessage(_FromGateway):
    """The emotion now: an average over the past, in which what is older counts for less. Sent after each window with
    speech.

    A window counts exp(-t / time_constant_s) times as much when t seconds have passed.
    """

    type: Literal["now"] = "now"
    """Always `now`."""
    at_s: Seconds
    """The time that it is about, in seconds: the end of the last window."""
    emotion: str
    """Most probable emotion of the average."""
    confidence: float = Field(ge=0, le=1)
    """Its probability."""
    probabilities: dict[str, float]
    """Probability of each emotion in the model's order, or of the `top` most probable."""
    time_constant_s: float
    """GATEWAY_STREAM_SMOOTHING_S."""


class EndMessage(_FromGateway):
    """The answer to Finish, after the last window; then the gateway closes with 1000."""

    type: Literal["end"] = "end"
    """Always `end`."""
    summary: dict[str, Any]
    """What `POST /v1/recordings` says of a whole recording: its emotion, shares of time, segments, warnings."""


class ErrorMessage(_FromGateway):
    """Why the gateway closes the connection: a problem (RFC 9457), as in the answers of other paths."""

    type: Literal["error"] = "error"
    """Always `error`."""
    status: int
    """The HTTP status that the error has elsewhere."""
    code: str
    """Stable name of the error."""
    title: str
    """The code, in words."""
    detail: str
    """What was wrong with this stream."""
    request_id: str
    """The stream's id."""
    close_code: int
    """The close code that follows: 1012 and 1013 mean that a new stream may go on, others that the client is to mend
    something first."""
    resume_s: float | SkipJsonSchema[None] = None
    """Where to go on, only with 1012 and 1013: every window that starts earlier is answered. A new stream sends the
    samples from here, with this as its `start_s`."""


FromClient: TypeAlias = Start | Finish
FromGateway: TypeAlias = ReadyMessage | WindowMessage | NowMessage | EndMessage | ErrorMessage
FROM_GATEWAY: TypeAdapter[FromGateway] = TypeAdapter(Annotated[FromGateway, Field(discriminator="type")])
