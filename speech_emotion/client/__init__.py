"""The service's client: `Client` and `AsyncClient`, typed answers, typed errors.

Must not know: the parts that serve. Importing it loads httpx, and neither numpy nor an audio library.
"""

from speech_emotion.client.aio import AsyncClient
from speech_emotion.client.aio_stream import AsyncStream
from speech_emotion.client.answers import Answer, Audio, Channel, Model, ServedVersion, Window
from speech_emotion.client.client import Client
from speech_emotion.client.clips import ClipSource
from speech_emotion.client.errors import (
    ClientError,
    ClipTooLargeError,
    ProblemError,
    ProtocolError,
    TimeoutExceededError,
    UnreachableError,
)
from speech_emotion.client.live import End, LiveWindow, Now
from speech_emotion.client.recordings import (
    AsyncRecording,
    Recording,
    RecordingChannel,
    RecordingError,
    RecordingSummary,
    RecordingWindow,
    Segment,
)
from speech_emotion.client.stream import Stream

__all__ = [
    "Answer",
    "AsyncClient",
    "AsyncRecording",
    "AsyncStream",
    "Audio",
    "Channel",
    "Client",
    "ClientError",
    "ClipSource",
    "ClipTooLargeError",
    "End",
    "LiveWindow",
    "Model",
    "Now",
    "ProblemError",
    "ProtocolError",
    "Recording",
    "RecordingChannel",
    "RecordingError",
    "RecordingSummary",
    "RecordingWindow",
    "Segment",
    "ServedVersion",
    "Stream",
    "TimeoutExceededError",
    "UnreachableError",
    "Window",
]
