"""The course of a stream, from its first message to its close code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from preprocess_gateway.core.draining import Draining
from preprocess_gateway.errors import (
    OverloadedError,
    ShuttingDownError,
    StreamError,
    StreamTooLongError,
    VersionChangedError,
)
from preprocess_gateway.http.live.hearing import StreamHearing
from preprocess_gateway.http.live.incoming import Incoming
from preprocess_gateway.http.live.messages import ErrorMessage, Finish, NowMessage, Start, WindowMessage
from preprocess_gateway.http.live.pace import Pace
from preprocess_gateway.http.live.socket import ClientGoneError, StreamSocket
from preprocess_gateway.http.problems import describe, problem, status_of
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import EmptyAudioError, NonFiniteAudioError, SpeechEmotionError

NORMAL, BAD_CONTENT, POLICY, INTERNAL, RESTART, TRY_LATER = 1000, 1007, 1008, 1011, 1012, 1013
LATE_S = 1.0
WAKE_S = 0.25  # how soon a stream that waits for its client notices that the worker is being stopped


@dataclass(frozen=True)
class Outcome:
    """How a stream ended: its close code, the error's code, seconds of sound, windows answered."""

    close_code: int
    error: str | None
    heard_s: float
    windows: int


class Session:
    """One stream; `hear` makes what answers it of its first message."""

    def __init__(
        self,
        socket: StreamSocket,
        hear: Callable[[Start], StreamHearing],
        settings: Settings,
        metrics: Metrics,
        draining: Draining,
        request_id: str,
        route: str,
    ) -> None:
        self._socket = socket
        self._hear = hear
        self._settings = settings
        self._metrics = metrics
        self._draining = draining
        self._request_id = request_id
        self._route = route
        self._incoming = Incoming()
        self._pace = Pace(settings)
        self._hearing: StreamHearing | None = None
        self._windows = 0
        self._leaving: _Leaving | None = None

    def run(self, refused: SpeechEmotionError | None = None) -> Outcome:
        """Answer the stream until it ends, or end it at once if it was `refused`; raises nothing."""
        try:
            if refused:
                raise refused
            self._socket.end(self._answer(), NORMAL, "")
        except ClientGoneError as gone:
            return self._outcome(gone.code, None)
        except Exception as error:  # noqa: BLE001 - whatever happens, the client is told
            message = self._explain(error)
            self._socket.end(message.to_json(), message.close_code, message.detail)
            return self._outcome(message.close_code, message.code)
        return self._outcome(NORMAL, None)

    def _answer(self) -> str:
        """Answer until the client finishes; returns the last message."""
        try:
            for message in self._messages():
                match message:
                    case Start():
                        self._hearing = self._hear(message)
                        self._socket.send(self._hearing.ready(self._request_id).to_json())
                    case Finish():
                        return self._finish()
                    case bytes():
                        for piece in self._started.pieces(message):
                            self._say(self._started.hear(piece))
                            self._check_draining()
        except StreamTooLongError:
            if self._hearing and self._hearing.heard_s:
                self._socket.send(self._finish())
            raise
        raise AssertionError("messages only end by an error")

    def _finish(self) -> str:
        self._say(self._started.end())
        return self._started.sum_up(self._request_id).to_json()

    def _messages(self) -> Iterator[Start | Finish | bytes]:
        while True:
            frames, waited = self._socket.receive(WAKE_S)
            self._pace.check_frames(len(frames))
            for message in self._incoming.read(frames):
                if isinstance(message, bytes):
                    self._pace.advance(self._started.seconds(message), waited=waited)
                yield message
            self._pace.check_time(started=self._hearing is not None)
            self._check_draining()

    def _say(self, messages: Iterable[WindowMessage | NowMessage]) -> None:
        hearing = self._started
        for message in messages:
            if isinstance(message, WindowMessage):
                self._windows += 1
                lag_s = self._pace.lag_s(message.end_s - hearing.begins_s)
                self._metrics.stream_lag.observe(lag_s)
                if lag_s > LATE_S:
                    self._metrics.stream_windows_late.inc()
            self._socket.send(message.to_json())

    def _check_draining(self) -> None:
        """Leave a worker that is being stopped: after the window that is being heard, or when none comes."""
        if not self._draining.begun.is_set():
            return
        if self._leaving is None:
            hears = self._hearing is not None and self._hearing.heard_s > 0
            wait_s = self._started.stride_s + LATE_S if hears else 0.0
            self._leaving = _Leaving(self._windows, time.monotonic() + min(wait_s, self._draining.left_s()))
        if self._windows > self._leaving.windows or time.monotonic() >= self._leaving.latest:
            raise ShuttingDownError("this gateway is being stopped; a new stream reaches another")

    def _explain(self, error: Exception) -> ErrorMessage:
        if isinstance(error, OverloadedError):
            self._metrics.shed.labels(error.reason, self._route).inc()
        code = close_code(error)
        document = problem(*describe(error), self._request_id)
        resume = {"resume_s": self._hearing.resume_s} if self._hearing and code in (RESTART, TRY_LATER) else {}
        return ErrorMessage.model_validate({**document, "type": "error", "close_code": code, **resume})

    def _outcome(self, code: int, error: str | None) -> Outcome:
        return Outcome(code, error, self._hearing.heard_s if self._hearing else 0.0, self._windows)

    @property
    def _started(self) -> StreamHearing:
        assert self._hearing is not None, "Incoming lets nothing pass before the Start"  # noqa: S101
        return self._hearing


@dataclass(frozen=True)
class _Leaving:
    """Windows answered when the worker began to stop, and the latest time at which the stream ends."""

    windows: int
    latest: float


def close_code(error: Exception) -> int:
    """The code that a stream is closed with after an error (RFC 6455, section 7.4, and IANA's registry)."""
    if isinstance(error, StreamError):
        return error.close_code
    if isinstance(error, ShuttingDownError | VersionChangedError):
        return RESTART
    if isinstance(error, NonFiniteAudioError | EmptyAudioError):
        return BAD_CONTENT
    if isinstance(error, SpeechEmotionError):
        return TRY_LATER if status_of(error) >= 500 else POLICY
    return INTERNAL
