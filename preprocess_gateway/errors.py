"""Errors of the gateway: each class has a stable code and an HTTP status; `http/problems.py` renders them."""

from __future__ import annotations

from typing import ClassVar, Literal

from speech_emotion.errors import SpeechEmotionError

ShedReason = Literal[
    "queue_full", "queue_timeout", "memory", "decoders", "recordings", "spool", "streams", "model_server"
]  # fmt: skip


class GatewayError(SpeechEmotionError):
    """An error with its own HTTP status."""

    status: ClassVar[int] = 500


class MissingFileError(GatewayError):
    """The form has no file in a field named `file`."""

    code, status = "missing_file", 400


class UnsupportedMediaTypeError(GatewayError):
    """The body is neither a multipart form nor declared as audio or video, or it is compressed."""

    code, status = "unsupported_media_type", 415


class BadFormError(GatewayError):
    """The body is not a well-formed multipart form, or has files in fields other than `file`."""

    code, status = "bad_form", 400


class FormTooLargeError(GatewayError):
    """The form has too many parts or files, or a text field that is too long."""

    code, status = "form_too_large", 413


class BodyTooLargeError(GatewayError):
    """The body has too many bytes."""

    code, status = "body_too_large", 413


class IncompleteBodyError(GatewayError):
    """The body ended early, or its chunks are malformed."""

    code, status = "incomplete_body", 400


class LengthRequiredError(GatewayError):
    """The request has neither a Content-Length nor a chunked body."""

    code, status = "length_required", 411


class RequestTimeoutError(GatewayError):
    """The request was sent too slowly."""

    code, status = "request_timeout", 408


class BadQueryError(GatewayError):
    """The query has an unknown parameter or an invalid value."""

    code, status = "bad_query", 400


class NotAcceptableError(GatewayError):
    """`Accept` allows none of the formats of an answer."""

    code, status = "not_acceptable", 406


class UnknownModelError(GatewayError):
    """No model of this name is served here; `GET /v1/models` lists those that are."""

    code, status = "unknown_model", 404


class ModelUnavailableError(GatewayError):
    """The model server does not answer, or has no version for the label."""

    code, status = "model_unavailable", 503


class OverloadedError(GatewayError):
    """The gateway or the model server has no capacity left.

    `reason` names which, for the metrics.
    """

    code, status = "overloaded", 503

    def __init__(self, message: str, *, reason: ShedReason) -> None:
        super().__init__(message)
        self.reason = reason


class VersionChangedError(GatewayError):
    """Another version, with other features or emotions, took over in the middle of a recording or stream."""

    code, status = "version_changed", 503


class ShuttingDownError(GatewayError):
    """This gateway is being stopped: another one, or the next one, answers."""

    code, status = "shutting_down", 503


class DeadlineError(GatewayError):
    """The request's time ran out."""

    code, status = "deadline_exceeded", 504


class OriginError(GatewayError):
    """A page of this origin may not open a stream; GATEWAY_CORS_ORIGINS names those that may."""

    code, status = "origin_not_allowed", 403


WEBSOCKET_VERSION = "13"
"""The protocol's only version (RFC 6455, section 4.1), named to clients that ask for another one."""


class UpgradeRequiredError(GatewayError):
    """The path takes WebSocket handshakes of version 13 only."""

    code, status = "upgrade_required", 426


class StreamError(GatewayError):
    """An error that ends a live stream; `close_code` follows it (RFC 6455, section 7.4)."""

    close_code: ClassVar[int] = 1008


class BadMessageError(StreamError):
    """A message of the stream does not follow the protocol."""

    code, status, close_code = "bad_message", 400, 1007


class BadFrameError(BadMessageError):
    """The bytes received are not a WebSocket frame of a client."""

    close_code = 1002


class FrameTooLargeError(StreamError):
    """A message of the stream has too many bytes."""

    code, status, close_code = "frame_too_large", 413, 1009


class StreamIdleError(StreamError):
    """The stream brought too little sound for too long."""

    code, status = "stream_idle", 408


class StreamTooFastError(StreamError):
    """The stream is too far ahead of real time, or comes in too many frames."""

    code, status = "stream_too_fast", 429


class StreamTooLongError(StreamError):
    """The stream has reached its maximum length."""

    code, status = "stream_too_long", 413


class SlowReaderError(StreamError):
    """The client does not read its answers."""

    code, status = "slow_reader", 408


class TooManyStreamsError(StreamError):
    """The client has reached its maximum number of streams."""

    code, status, close_code = "too_many_streams", 429, 1013
