"""What a call can end with, other than an answer."""

from __future__ import annotations

from speech_emotion.errors import SpeechEmotionError


class ClientError(SpeechEmotionError):
    """Root of the client's errors."""

    code = "client_error"


class ProblemError(ClientError):
    """The service refused, with a problem document (RFC 9457).

    Attributes: `status` (HTTP), `code` (stable, listed in docs/api.md), `detail`, `request_id`, and
    `retry_after_s` where the service said when to come back.
    """

    def __init__(
        self, status: int, code: str, detail: str, request_id: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code  # type: ignore[misc]  # of the instance here: the service's own
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class ClipTooLargeError(ClientError):
    """The clip has more bytes than the client sends: it was not read to its end, and nothing was sent."""

    code = "body_too_large"


class UnreachableError(ClientError):
    """No connection to the service, or one that broke before the answer."""

    code = "unreachable"


class TimeoutExceededError(ClientError):
    """The deadline passed before there was an answer."""

    code = "timeout"


class ProtocolError(ClientError):
    """Something answered, but not this service."""

    code = "not_the_service"
