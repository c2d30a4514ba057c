"""What both clients know of a live stream: its messages, and the samples that are kept for a new connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, Union
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from speech_emotion.client.address import Address
from speech_emotion.client.calls import Attempts, headers_of, names_in
from speech_emotion.client.clips import library
from speech_emotion.client.errors import (
    ClientError,
    ProblemError,
    ProtocolError,
    TimeoutExceededError,
    UnreachableError,
)

if TYPE_CHECKING:
    import numpy.typing as npt

T = TypeVar("T")
Samples: TypeAlias = Union[bytes, "npt.NDArray[Any]"]
Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw"]
SAMPLE_BYTES: Final[dict[Encoding, int]] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1}
PIECE_BYTES: Final = 32_768
"""Bytes of samples in one message."""
FINISH: Final = '{"type": "finish"}'
ABNORMAL, RESTART, TRY_LATER = 1006, 1012, 1013
COMES_AGAIN: Final = (1001, ABNORMAL, RESTART, TRY_LATER)
"""Close codes after which a new connection goes on."""


@dataclass(frozen=True)
class LiveWindow:
    """A window of the stream, in seconds; `emotion`, `confidence` and `probabilities` are None without speech."""

    start_s: float
    end_s: float
    emotion: str | None
    confidence: float | None
    probabilities: Mapping[str, float] | None
    uncertain: bool
    reason: str | None = None


@dataclass(frozen=True)
class Now:
    """The emotion at `at_s` seconds: an average over the past with this time constant, in seconds."""

    at_s: float
    emotion: str
    confidence: float
    probabilities: Mapping[str, float]
    time_constant_s: float


@dataclass(frozen=True)
class End:
    """The stream is over. `summary`: what the service says of what it heard since the last connection was made.

    `since_s`: where that begins; 0 unless there was more than one connection.
    """

    summary: Mapping[str, Any]
    since_s: float


Event: TypeAlias = LiveWindow | Now | End


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """What is asked of a stream, and whose it is; the fields are those of `Client.stream`."""

    sample_rate: int
    encoding: Encoding
    channels: int
    stride_s: float | None
    top: int | None
    emotions: Sequence[str] | None
    model: str | None
    affinity_key: str | None
    traceparent: str | None

    def url(self, service: Address) -> str:
        """Where the stream is opened."""
        path = "v1/stream" if self.model is None else f"v1/models/{quote(self.model, safe='')}/stream"
        url = service.url.join(path)
        return str(url.copy_with(scheme="wss" if url.scheme == "https" else "ws"))

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the handshake. Raises ValueError for what no header can hold."""
        return headers_of(self.affinity_key, self.traceparent)


class Course:
    """The state of a stream over all its connections: what was answered, and the samples since."""

    def __init__(self, options: StreamOptions, service: Address, attempts: Callable[[], Attempts]) -> None:
        self._options = options
        self._service = service
        self._attempts = attempts
        self._trying: Attempts | None = None
        if options.encoding not in SAMPLE_BYTES:
            raise ValueError(f"encoding must be one of {', '.join(SAMPLE_BYTES)}, got {options.encoding!r}")
        self._frame_bytes = SAMPLE_BYTES[options.encoding] * options.channels
        self._kept = bytearray()
        self._stride_s = 0.0
        self._since_s = 0.0
        self.kept_from_s = 0.0
        """Time of the first sample that is kept: every window that starts earlier is answered."""
        self.problem: ProblemError | None = None
        """What the service said last before it closed."""
        self.finished = False
        self.ended = False
        self._summed_up = False

    def new_connection(self) -> Attempts:
        """The tries of a new connection; those since the last answer count, as a connection alone is no progress."""
        self._trying = self._trying or self._attempts()
        return self._trying

    def keep(self, samples: Samples) -> bytes:
        """The bytes of samples, kept until they are answered. Raises ValueError for what they cannot be."""
        if self.finished:
            raise ValueError("the stream is finished: it takes no more samples")
        data = encode(samples, self._options.encoding, self._options.channels)
        self._kept += data
        return data

    def opening(self) -> list[str | bytes]:
        """The messages that a new connection begins with."""
        options = self._options
        start = {
            "type": "start", "sample_rate": options.sample_rate, "encoding": options.encoding,
            "channels": options.channels, "stride_s": options.stride_s, "top": options.top,
            "emotions": None if options.emotions is None else names_in(options.emotions), "start_s": self.kept_from_s,
        }  # fmt: skip
        self._since_s, self.problem, self._summed_up = self.kept_from_s, None, False
        given = {name: value for name, value in start.items() if value is not None}
        return [json.dumps(given), *pieces(bytes(self._kept)), *([FINISH] if self.finished else [])]

    def read(self, text: str | bytes) -> Event | None:
        """The event that a message is, if it is one. Raises ProtocolError if it is none of the service's."""
        try:
            message = json.loads(text)
            match message["type"]:
                case "ready":
                    self._stride_s = float(message["stride_s"])
                case "window":
                    window = _known(LiveWindow, message)
                    self._forget(window.start_s + self._stride_s)
                    self._trying = None
                    return window
                case "now":
                    return _known(Now, message)
                case "end":
                    self._summed_up = True
                    return End(message["summary"], self._since_s)
                case "error":
                    self.problem = _problem(message)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProtocolError(f"what answered at {self._service} is not this service") from error
        return None

    def lost(self, closed: ConnectionClosed) -> ClientError | None:
        """Why a connection ended, as an error; None if the stream has ended as it should."""
        if self.problem is not None:
            return self.problem
        if self._summed_up and self.finished:
            self.ended = True
            return None
        code = closed.rcvd.code if closed.rcvd else ABNORMAL
        if code in COMES_AGAIN:
            return UnreachableError(f"the connection to {self._service} broke")
        reason = closed.rcvd.reason if closed.rcvd else ""
        return ProtocolError(f"what answered at {self._service} closed the stream with {code} {reason}".strip())

    def _forget(self, until_s: float) -> None:
        frames = max(0, round((until_s - self.kept_from_s) * self._options.sample_rate))
        gone = min(frames, len(self._kept) // self._frame_bytes)
        del self._kept[: gone * self._frame_bytes]
        self.kept_from_s += gone / self._options.sample_rate


def encode(samples: Samples, encoding: Encoding, channels: int) -> bytes:
    """Bytes as they are; int16 or floats in -1..1, `[samples]` or `[samples, channels]`, in the stream's encoding.

    Raises ValueError for other shapes and types, ImportError where numpy is not installed.
    """
    if isinstance(samples, bytes | bytearray | memoryview):
        return bytes(samples)
    np = library("numpy")
    array = np.asarray(samples)
    if array.ndim > 2 or (array.shape[1:] or (1,)) != (channels,):
        raise ValueError(f"samples must be [samples] or [samples, {channels}], got the shape {array.shape}")
    if encoding == "mulaw":
        raise ValueError("samples in mulaw are sent as bytes")
    if np.issubdtype(array.dtype, np.floating):
        if encoding == "pcm_f32le":
            return bytes(array.astype("<f4").tobytes())
        if not np.isfinite(array).all():
            raise ValueError("the samples hold NaN or infinity")
        return bytes(np.rint(array.clip(-1, 1) * 32_767).astype("<i2").tobytes())
    if array.dtype != np.int16:
        raise ValueError(f"samples must be int16 or floats in -1..1, got {array.dtype}")
    return bytes((array.astype("<f4") / 32_768).tobytes() if encoding == "pcm_f32le" else array.astype("<i2").tobytes())


def pieces(data: bytes) -> list[bytes]:
    """`data` in messages that a service takes."""
    return [data[at : at + PIECE_BYTES] for at in range(0, len(data), PIECE_BYTES)]


def refused(error: Exception, deadline_s: float, service: Address) -> ClientError:
    """Why a connection could not be opened, as an error."""
    if isinstance(error, TimeoutError):
        return TimeoutExceededError(f"no connection to {service} within {deadline_s:g} s")
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        try:
            return _problem({"status": status, **json.loads(error.response.body)})
        except (KeyError, TypeError, ValueError):
            if status == 503:  # a proxy before the service
                return ProblemError(503, "unavailable", f"the service is not available at {service}")
            return ProtocolError(f"what answered {status} at {service} is not this service")
    if isinstance(error, InvalidHandshake | InvalidURI):
        return ProtocolError(f"what answered at {service} is not this service: {error}")
    return UnreachableError(f"the service cannot be reached at {service}: {str(error) or type(error).__name__}")


def _problem(body: Mapping[str, Any]) -> ProblemError:
    return ProblemError(int(body["status"]), str(body["code"]), str(body["detail"]), body.get("request_id"))


def _known(kind: type[T], message: Mapping[str, Any]) -> T:
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: value for name, value in message.items() if name in names})
