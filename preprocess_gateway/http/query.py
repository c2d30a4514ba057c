"""The queries of `/predict` and `/v1/recordings`, read strictly: a misspelt parameter must not be ignored."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema
from werkzeug.datastructures import MultiDict

from preprocess_gateway.core.among import Emotions
from preprocess_gateway.core.answer import Channels, PredictOptions
from preprocess_gateway.errors import BadQueryError
from speech_emotion.audio import MAX_TRACKS, Hints, Raw
from speech_emotion.contract import MAX_LABELS
from speech_emotion.invalid import first_fault


def _digits(text: object) -> object:
    if not (isinstance(text, str) and text.isascii() and text.isdigit()):  # pydantic would take " 1_0.0 " too
        raise ValueError("not a whole number")
    return text


Top = Annotated[Annotated[int, Field(ge=1, le=MAX_LABELS)] | SkipJsonSchema[None], BeforeValidator(_digits)]
Track = Annotated[Annotated[int, Field(ge=1, le=MAX_TRACKS)] | SkipJsonSchema[None], BeforeValidator(_digits)]


def _names(text: object) -> object:
    return tuple(name.strip() for name in text.split(",")) if isinstance(text, str) else text


AskedEmotions = Annotated[Emotions | SkipJsonSchema[None], BeforeValidator(_names)]


class PredictQuery(BaseModel):
    """Parameters of `/predict` as they are in the URL."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    top: Top = None
    """Return only the N most probable emotions, the most probable first (all, if N exceeds their number)."""
    emotions: AskedEmotions = None
    """Answer with one of these emotions, separated by commas: their probabilities then have a sum of 1. By default with
    any that the model knows."""
    timeline: Literal["true", "false"] = "false"
    """Whether the answer has one entry for each window of the clip."""
    track: Track = None
    """Which audio track of the file to hear, counted from 1. By default that is the file's default track, or the next
    that is not silent."""
    channels: Channels = "mix"
    """`mix` mixes all channels into one; `separate` answers each one, in `channels`, but not the clip."""


class RecordingQuery(BaseModel):
    """Parameters of `/v1/recordings` as they are in the URL."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    top: Top = None
    """Return only the N most probable emotions of each window and of the whole, the most probable first."""
    emotions: AskedEmotions = None
    """Answer with one of these emotions, separated by commas: their probabilities then have a sum of 1. By default with
    any that the model knows."""
    track: Track = None
    """Which audio track of the file to hear, counted from 1. By default that is the file's default track, or the next
    that is not silent."""
    channels: Channels = "mix"
    """`mix` mixes all channels into one; `separate` answers each one, but not the whole recording.
    """


Query = PredictQuery | RecordingQuery


def read_options(
    query: MultiDict[str, str], raw: Raw | None = None, kind: type[Query] = PredictQuery
) -> PredictOptions:
    """The options of a query of this kind; `raw` is what the content type says of samples without a header.

    Raises BadQueryError for an unknown, repeated or impossible parameter.
    """
    repeated = [name for name, values in query.lists() if len(values) > 1]
    if repeated:
        raise BadQueryError(f"{_shown(repeated[0])}: given more than once")
    try:
        read = kind.model_validate(query.to_dict())
    except ValidationError as error:
        raise BadQueryError(_first_problem(error, kind)) from error
    timeline = isinstance(read, PredictQuery) and read.timeline == "true"
    return PredictOptions(read.top, timeline, read.emotions, Hints(read.track, raw), read.channels)


def _first_problem(error: ValidationError, kind: type[Query]) -> str:
    where, fault = first_fault(error)
    name = str(where[0])
    if name not in kind.model_fields:
        return f"{_shown(name)}: no such parameter; there are {', '.join(kind.model_fields)}"
    return f"{_shown(name)}: {fault}"


def _shown(name: str) -> str:
    return repr(name[:40])
