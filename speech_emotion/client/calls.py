"""What both clients share: how a request is written, an answer read, and when a call is tried again."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Literal, TypeVar
from urllib.parse import quote

import httpx

from speech_emotion.client.address import Address
from speech_emotion.client.answers import Answer, ServedVersion
from speech_emotion.client.clips import ClipSource, read_clip
from speech_emotion.client.errors import (
    ClientError,
    ProblemError,
    ProtocolError,
    TimeoutExceededError,
    UnreachableError,
)

T = TypeVar("T")
Channels = Literal["mix", "separate"]
DEFAULT_URL: Final = "http://127.0.0.1:8080"
DEFAULT_DEADLINE_S: Final = 30.0
DEFAULT_RETRIES: Final = 3
FIRST_PAUSE_S: Final = 0.2
MAX_PAUSE_S: Final = 5.0


@dataclass(frozen=True)
class Call:
    """One request, ready to be sent as often as needed."""

    method: str
    path: str
    arguments: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked about clips, and whose they are; the fields are those of `Client` and its `predict`."""

    sample_rate: int | None
    top: int | None
    emotions: Sequence[str] | None
    timeline: bool
    model: str | None
    channels: Channels
    track: int | None
    affinity_key: str | None
    traceparent: str | None


def predict_call(clips: Sequence[ClipSource], asked: Question, max_bytes: int) -> Call:
    """`POST /predict`, or that of a model by its name.

    Raises ClipTooLargeError, OSError or ValueError for a clip that cannot be read.
    """
    if not clips:
        raise ValueError("no clip was given")
    files = [("file", read_clip(clip, asked.sample_rate, max_bytes)) for clip in clips]
    path = "predict" if asked.model is None else f"v1/models/{quote(asked.model, safe='')}/predict"
    return _ask_for(path, files, asked)


def recording_call(name: str, content: bytes | BinaryIO, asked: Question) -> Call:
    """`POST /v1/recordings`, or that of a model by its name; an open file is sent from its start."""
    path = "v1/recordings" if asked.model is None else f"v1/models/{quote(asked.model, safe='')}/recordings"
    call = _ask_for(path, [("file", (name, content))], asked)
    call.arguments["headers"]["Accept"] = "application/x-ndjson"
    return call


def _ask_for(path: str, files: Sequence[tuple[str, tuple[str, bytes | BinaryIO]]], asked: Question) -> Call:
    query = {
        "top": asked.top,
        "emotions": None if asked.emotions is None else ",".join(names_in(asked.emotions)),
        "timeline": "true" if asked.timeline else None,
        "channels": asked.channels if asked.channels != "mix" else None,
        "track": asked.track,
    }
    headers = headers_of(asked.affinity_key, asked.traceparent)
    return Call("POST", path, {"files": files, "params": _given(query), "headers": headers})


def headers_of(affinity_key: str | None, traceparent: str | None) -> dict[str, str]:
    """Headers of a call. Raises ValueError for what no header can hold."""
    headers = {"X-Affinity-Key": affinity_key, "traceparent": traceparent}
    for name, value in headers.items():
        if value is not None and not (value.isascii() and value.isprintable()):
            raise ValueError(f"{name} must be printable ASCII, got {value!r}")
    return _given(headers)


def names_in(emotions: Sequence[str]) -> list[str]:
    """The names; a text has them separated by commas."""
    return [name.strip() for name in emotions.split(",")] if isinstance(emotions, str) else list(emotions)


def read_answer(response: httpx.Response, service: Address) -> Answer:
    """The answer in a 200. Raises ProblemError for a problem document, ProtocolError for what is neither."""
    return _parse(response, service, Answer.parse)


def read_answers(response: httpx.Response, service: Address) -> list[Answer | ProblemError]:
    """What each clip of a call got, of a 200; raises what `read_answer` does."""
    return _parse(response, service, _parse_results)


def read_versions(response: httpx.Response, service: Address) -> list[ServedVersion]:
    """What serves, of a 200; raises what `read_answer` does."""
    return _parse(response, service, ServedVersion.parse_all)


def read_json(response: httpx.Response, service: Address) -> Any:
    """The JSON of a 200; raises what `read_answer` does."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.status_code == 200 and body is not None:
        return body
    if isinstance(body, dict) and "code" in body:
        raise read_problem(response.status_code, body, _seconds(response.headers.get("Retry-After")))
    if response.status_code == 503:  # a proxy before the service
        wait = _seconds(response.headers.get("Retry-After"))
        raise ProblemError(503, "unavailable", f"the service is not available at {service}", None, wait)
    raise ProtocolError(f"what answered {response.status_code} at {service} is not this service")


def translate(error: httpx.HTTPError, deadline_s: float, service: Address) -> ClientError:
    """httpx's error as ours; a connection that was not made in time is the service's absence."""
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return TimeoutExceededError(f"no answer within {deadline_s:g} s")
    return UnreachableError(f"the service cannot be reached at {service}: {str(error) or type(error).__name__}")


class Attempts:
    """Tries of one call: only 503, lost connections and streams that are closed for a time come again.

    They do as Retry-After says, within the deadline.
    """

    def __init__(self, deadline_s: float, retries: int) -> None:
        self.deadline_s = deadline_s
        self._end = time.monotonic() + deadline_s
        self._left = retries
        self._pause_s = FIRST_PAUSE_S

    @property
    def left_s(self) -> float:
        """Seconds to the deadline. Raises TimeoutExceededError if it has passed."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutExceededError(f"no answer within {self.deadline_s:g} s")
        return left

    def pause_after(self, error: ClientError) -> float:
        """Seconds to wait before the next try. Raises `error` if there must be none."""
        try:
            pause = self._pause_after(error)
            if time.monotonic() + pause >= self._end:
                raise error
            return pause
        finally:
            del error  # it and this frame would keep each other, and what was sent, until a garbage collection

    def _pause_after(self, error: ClientError) -> float:
        """Infinite if there must be no other try."""
        worth = isinstance(error, UnreachableError) or (isinstance(error, ProblemError) and error.comes_again)
        if not worth or self._left <= 0:
            return math.inf
        self._left -= 1
        asked = error.retry_after_s if isinstance(error, ProblemError) else None
        # Jitter upward only: never before the service asked for, and not all clients at once.
        pause = (self._pause_s if asked is None else asked) * random.uniform(1.0, 1.25)  # noqa: S311
        self._pause_s = min(self._pause_s * 2, MAX_PAUSE_S)
        return pause


def _parse(response: httpx.Response, service: Address, parse: Callable[[Any], T]) -> T:
    body = read_json(response, service)
    try:
        return parse(body)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"what answered at {service} is not this service") from error


def _parse_results(body: Any) -> list[Answer | ProblemError]:
    if "results" not in body:
        return [Answer.parse(body)]
    return [read_problem(each["status"], each) if "code" in each else Answer.parse(each) for each in body["results"]]


def read_problem(status: int, body: Mapping[str, Any], retry_after_s: float | None = None) -> ProblemError:
    """A problem document as an error. Raises KeyError if it is none."""
    detail = str(body.get("detail") or body.get("title") or body["code"])
    return ProblemError(status, str(body["code"]), detail, body.get("request_id"), retry_after_s)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _seconds(value: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, counts as not given."""
    return float(value) if value is not None and value.isascii() and value.isdigit() else None
