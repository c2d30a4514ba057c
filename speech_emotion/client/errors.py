"""What a call can end with, other than an answer."""

from __future__ import annotations

from typing import Final

from speech_emotion.errors import SpeechEmotionError

ABNORMAL, RESTART, TRY_LATER = 1006, 1012, 1013
COMES_AGAIN: Final = (1001, ABNORMAL, RESTART, TRY_LATER)
"""Close codes after which a stream goes on with a new connection."""


class ClientError(SpeechEmotionError):
    """Root of the client's errors."""

    code = "client_error"


class ProblemError(ClientError):
    """The service refused, with a problem document (RFC 9457).

    Attributes: `status` (HTTP), `code` (stable, listed in docs/api.md), `detail`, `request_id`,
    `retry_after_s` where the service said when to come back, and `close_code` where it closed a stream.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        close_code: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code  # type: ignore[misc]  # of the instance here: the service's own
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.close_code = close_code

    @property
    def comes_again(self) -> bool:
        """Whether it is worth trying again: by the close code of a stream, otherwise after a 503."""
        return self.status == 503 if self.close_code is None else self.close_code in COMES_AGAIN


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
