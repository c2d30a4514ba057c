"""What both clients know of a live stream: what is asked of it, what it says, and its samples as bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, Union
from urllib.parse import quote

from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI

from speech_emotion.client.address import Address
from speech_emotion.client.calls import headers_of, names_in
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

Samples: TypeAlias = Union[bytes, "npt.NDArray[Any]"]
Encoding = Literal["pcm_s16le", "pcm_f32le", "mulaw"]
SAMPLE_BYTES: Final[dict[Encoding, int]] = {"pcm_s16le": 2, "pcm_f32le": 4, "mulaw": 1}


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

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels. Raises ValueError for an encoding that is none."""
        if self.encoding not in SAMPLE_BYTES:
            raise ValueError(f"encoding must be one of {', '.join(SAMPLE_BYTES)}, got {self.encoding!r}")
        return SAMPLE_BYTES[self.encoding] * self.channels

    def start(self, start_s: float) -> str:
        """The first message of a connection whose first sample has this time in seconds."""
        start = {
            "type": "start", "sample_rate": self.sample_rate, "encoding": self.encoding, "channels": self.channels,
            "stride_s": self.stride_s, "top": self.top,
            "emotions": None if self.emotions is None else names_in(self.emotions), "start_s": start_s,
        }  # fmt: skip
        return json.dumps({name: value for name, value in start.items() if value is not None})

    def url(self, service: Address) -> str:
        """Where the stream is opened."""
        path = "v1/stream" if self.model is None else f"v1/models/{quote(self.model, safe='')}/stream"
        url = service.url.join(path)
        return str(url.copy_with(scheme="wss" if url.scheme == "https" else "ws"))

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the handshake. Raises ValueError for what no header can hold."""
        return headers_of(self.affinity_key, self.traceparent)


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


def refused(error: Exception, deadline_s: float, service: Address) -> ClientError:
    """Why a connection could not be opened, as an error."""
    if isinstance(error, TimeoutError):
        return TimeoutExceededError(f"no connection to {service} within {deadline_s:g} s")
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        try:
            return problem_of({"status": status, **json.loads(error.response.body)})
        except (KeyError, TypeError, ValueError):
            if status == 503:  # a proxy before the service
                return ProblemError(503, "unavailable", f"the service is not available at {service}")
            return ProtocolError(f"what answered {status} at {service} is not this service")
    if isinstance(error, InvalidHandshake | InvalidURI):
        return ProtocolError(f"what answered at {service} is not this service: {error}")
    return UnreachableError(f"the service cannot be reached at {service}: {str(error) or type(error).__name__}")


def problem_of(body: Mapping[str, Any]) -> ProblemError:
    """A problem document or an error message as an error. Raises KeyError, TypeError or ValueError if it is none."""
    return ProblemError(
        int(body["status"]),
        str(body["code"]),
        str(body["detail"]),
        body.get("request_id"),
        close_code=body.get("close_code"),
    )
