"""The course of a live stream over all its connections, which both clients follow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

from websockets.exceptions import ConnectionClosed

from speech_emotion.client.address import Address
from speech_emotion.client.backlog import Backlog
from speech_emotion.client.calls import Attempts
from speech_emotion.client.errors import (
    ABNORMAL,
    COMES_AGAIN,
    ClientError,
    ProblemError,
    ProtocolError,
    UnreachableError,
)
from speech_emotion.client.live import End, Event, LiveWindow, Now, Samples, StreamOptions, encode, problem_of

T = TypeVar("T")
FINISH: Final = '{"type": "finish"}'
AHEAD_S: Final = 30.0
"""Seconds by which sound may be ahead of real time at a service that has not said so: its default."""
AHEAD_SHARE: Final = 0.8
"""What is used of that: the clocks of client and service begin at different times."""
TOLERANCE_S: Final = 0.002
"""By which the end of the last window differs at most from that of the sound: both are rounded."""


class Course:
    """The state of a stream: what was answered, and the samples since."""

    def __init__(self, options: StreamOptions, service: Address, attempts: Callable[[], Attempts]) -> None:
        """Raises ValueError for an encoding that is none."""
        self._options = options
        self._service = service
        self._attempts = attempts
        self._trying: Attempts | None = None
        self._backlog = Backlog(options.sample_rate, options.frame_bytes)
        self._stride_s = 0.0
        self._ahead_s = AHEAD_S
        self._begun = time.monotonic()
        self._since_s = 0.0
        self._resume_s = 0.0  # every window that starts earlier is answered
        self._last: LiveWindow | None = None
        self.problem: ProblemError | None = None
        """What the service said last before it closed."""
        self.finished = False
        self.ended = False
        self._finish_sent = False
        self._summed_up = False
        self._hears_again = False

    def new_connection(self) -> Attempts:
        """The tries of a new connection; those since the last answer count, as a connection alone is no progress."""
        self._trying = self._trying or self._attempts()
        return self._trying

    def keep(self, samples: Samples) -> None:
        """Keep samples until they are answered, to be sent as they are due. Raises ValueError for what is none."""
        if self.finished:
            raise ValueError("the stream is finished: it takes no more samples")
        self._backlog.add(encode(samples, self._options.encoding, self._options.channels))

    def opening(self) -> str:
        """The message that a new connection begins with; the service's answer says how fast samples may follow."""
        self._begun = time.monotonic()
        self.problem, self._summed_up, self._finish_sent = None, False, False
        # Without samples the service has no summary either: if nothing is left, it hears the last window again.
        self._hears_again = self._last is not None and self._all_answered
        self._since_s = self._backlog.rewind(self._last.start_s if self._last and self._hears_again else self._resume_s)
        return self._options.start(self._since_s)

    def due(self) -> Iterator[str | bytes]:
        """What this connection takes now."""
        yield from self._backlog.take(self._allowed_s)
        if self.finished and not self._finish_sent and not self._backlog.waits:
            self._finish_sent = True
            yield FINISH

    @property
    def wait_s(self) -> float | None:
        """Seconds until more of what is kept is due; None if all was sent."""
        return self._backlog.wait_s(self._allowed_s) or None

    def read(self, text: str | bytes) -> Event | None:
        """The event that a message is, if it is one. Raises ProtocolError if it is none of the service's."""
        try:
            message = json.loads(text)
            match message["type"]:
                case "ready":
                    self._stride_s = float(message["stride_s"])
                    self._ahead_s = float(message.get("ahead_s", AHEAD_S))
                case "window" | "now" if self._hears_again:
                    pass  # for the summary alone
                case "window":
                    self._last = window = _known(LiveWindow, message)
                    self._resume_s = max(self._resume_s, window.start_s + self._stride_s)
                    self._backlog.answered(window.start_s)
                    self._trying = None
                    return window
                case "now":
                    return _known(Now, message)
                case "end":
                    self._summed_up = True
                    return End(message["summary"], self._since_s)
                case "error":
                    self.problem = problem_of(message)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"what answered at {self._service} is not this service") from error
        return None

    def lost(self, closed: ConnectionClosed) -> ClientError | None:
        """Why a connection ended, as an error; None if the stream has ended as it should."""
        code = closed.rcvd.code if closed.rcvd else ABNORMAL
        if self.problem is not None:
            if self.problem.close_code is None:
                self.problem.close_code = code
            return self.problem
        if self._summed_up and self.finished:
            self.ended = True
            return None
        if code in COMES_AGAIN:
            return UnreachableError(f"the connection to {self._service} broke")
        reason = closed.rcvd.reason if closed.rcvd else ""
        return ProtocolError(f"what answered at {self._service} closed the stream with {code} {reason}".strip())

    @property
    def _allowed_s(self) -> float:
        """Seconds of sound that this connection takes until now."""
        return AHEAD_SHARE * self._ahead_s + time.monotonic() - self._begun

    @property
    def _all_answered(self) -> bool:
        """Whether no window is left: the last one ends with the sound."""
        ends_s = self._last.end_s if self._last else 0.0
        return self.finished and ends_s > self._backlog.end_s - TOLERANCE_S


def _known(kind: type[T], message: Mapping[str, Any]) -> T:
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: value for name, value in message.items() if name in names})
