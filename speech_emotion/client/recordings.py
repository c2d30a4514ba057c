"""Long recordings: windows as the service answers them, and the summary at their end."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import httpx

from speech_emotion.client.address import Address
from speech_emotion.client.answers import Audio, Model, Window, known, verdict
from speech_emotion.client.calls import read_problem, translate
from speech_emotion.client.errors import ProblemError, ProtocolError, UnreachableError


@dataclass(frozen=True)
class RecordingWindow(Window):
    """A window of a recording; `channel` counted from 1 with separate channels, else None."""

    uncertain: bool = False
    channel: int | None = None


@dataclass(frozen=True)
class Segment:
    """Neighbouring windows of one emotion, in seconds; `confidence` is their mean."""

    start_s: float
    end_s: float
    emotion: str
    confidence: float
    uncertain: bool
    channel: int | None = None


@dataclass(frozen=True)
class _Whole:
    emotion: str | None
    confidence: float | None
    probabilities: Mapping[str, float] | None
    uncertain: bool
    reason: str | None
    warnings: tuple[str, ...]
    windows: int
    time_share: Mapping[str, float]
    no_speech_share: float | None
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class RecordingChannel(_Whole):
    """One channel of a recording, counted from 1; its fields are those of `RecordingSummary`."""

    channel: int


@dataclass(frozen=True)
class RecordingSummary(_Whole):
    """A whole recording; its emotion is None with a `reason` where there is none, as in `Answer`.

    `windows`: how many there are. `time_share`: share of the time that each emotion has; `no_speech_share` is the rest.
    `segments`: what has one emotion from its start to its end. With separate channels these are in `channels` alone.
    """

    model: Model
    audio: Audio
    request_id: str
    channels: tuple[RecordingChannel, ...] = ()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> RecordingSummary:
        """Read the last line of a recording. Raises KeyError, TypeError or ValueError if it is none."""
        return cls(
            **_whole(body),
            model=known(Model, body["model"]),
            audio=known(Audio, body["audio"]),
            request_id=body["request_id"],
            channels=tuple(
                RecordingChannel(**_whole(each), channel=each["channel"]) for each in body.get("channels") or ()
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON; `channels` only if there are any."""
        plain = asdict(self)
        return plain if self.channels else {name: plain[name] for name in plain if name != "channels"}


class RecordingError(ProblemError):
    """A recording that ended with a problem after its beginning; `windows` are those that were answered before it."""

    def __init__(self, problem: ProblemError, windows: tuple[RecordingWindow, ...]) -> None:
        super().__init__(problem.status, problem.code, problem.detail, problem.request_id)
        self.windows = windows


class _Lines:
    """What a recording's lines say, one after the other."""

    def __init__(self, service: Address) -> None:
        self._service = service
        self._windows: list[RecordingWindow] = []
        self._summary: RecordingSummary | None = None
        self.heard_s = 0.0
        """Seconds heard so far."""
        self.duration_s: float | None = None
        """Length in seconds, as the file's header says; None if it does not, or nothing has come yet."""

    @property
    def windows(self) -> tuple[RecordingWindow, ...]:
        """Every window so far, after an error too."""
        return tuple(self._windows)

    @property
    def summary(self) -> RecordingSummary:
        """The recording as a whole. Raises RuntimeError before its last window has been read."""
        if self._summary is None:
            raise RuntimeError("the summary comes after the last window: iterate over the recording first")
        return self._summary

    def read(self, text: str) -> RecordingWindow | None:
        """The window of a line, if it has one. Raises RecordingError and ProtocolError."""
        try:
            line = json.loads(text)
            match line["type"]:
                case "window":
                    window = known(RecordingWindow, line)
                    self._windows.append(window)
                    self.heard_s = max(self.heard_s, window.end_s)
                    return window
                case "progress":
                    self.heard_s = max(self.heard_s, float(line["heard_s"]))
                    self.duration_s = line.get("duration_s", self.duration_s)
                case "summary":
                    self._summary = RecordingSummary.parse(line)
                case "problem":
                    raise RecordingError(read_problem(line["status"], line), self.windows)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"what answered at {self._service} is not this service") from error
        return None

    def finish(self) -> None:
        """There is no further line. Raises UnreachableError if that was not the end."""
        if self._summary is None:
            raise UnreachableError(f"the answer of {self._service} broke off after {self.heard_s:.0f} s")


class Recording(_Lines):
    """A recording that is being answered: iterate over its windows, then ask for its `summary`.

    What came before an error stays in `windows`.
    """

    def __init__(self, response: httpx.Response, deadline_s: float, service: Address) -> None:
        super().__init__(service)
        self._coming = self._read_all(response, deadline_s)

    def __iter__(self) -> Iterator[RecordingWindow]:
        """Windows as they come, each once. Raises RecordingError, and what `Client.recording` raises."""
        return self._coming

    def _read_all(self, response: httpx.Response, deadline_s: float) -> Iterator[RecordingWindow]:
        try:
            for text in response.iter_lines():
                if (window := self.read(text)) is not None:
                    yield window
        except httpx.HTTPError as error:
            raise translate(error, deadline_s, self._service) from error
        self.finish()


class AsyncRecording(_Lines):
    """`Recording` for asynchronous code."""

    def __init__(self, response: httpx.Response, deadline_s: float, service: Address) -> None:
        super().__init__(service)
        self._coming = self._read_all(response, deadline_s)

    def __aiter__(self) -> AsyncIterator[RecordingWindow]:
        """Windows as they come, each once; raises what `Recording` does."""
        return self._coming

    async def _read_all(self, response: httpx.Response, deadline_s: float) -> AsyncIterator[RecordingWindow]:
        try:
            async for text in response.aiter_lines():
                if (window := self.read(text)) is not None:
                    yield window
        except httpx.HTTPError as error:
            raise translate(error, deadline_s, self._service) from error
        self.finish()


def _whole(body: Mapping[str, Any]) -> dict[str, Any]:
    said = verdict(body)
    del said["timeline"]
    return {
        **said,
        "windows": int(body["windows"]),
        "time_share": body.get("time_share") or {},
        "no_speech_share": body.get("no_speech_share"),
        "segments": tuple(known(Segment, segment) for segment in body.get("segments") or ()),
    }
