"""The one place where any error becomes problem+json (RFC 9457)."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from preprocess_gateway.errors import WEBSOCKET_VERSION, GatewayError, OverloadedError, UpgradeRequiredError
from preprocess_gateway.telemetry.failures import log_failure
from speech_emotion import errors as ground

if TYPE_CHECKING:
    from prometheus_client import Counter

log = logging.getLogger(__name__)
STATUS: dict[type[ground.SpeechEmotionError], int] = {
    ground.EmptyAudioError: 400,
    ground.UnsupportedFormatError: 415,
    ground.CorruptAudioError: 422,
    ground.TrackError: 422,
    ground.NonFiniteAudioError: 422,
    ground.DurationError: 413,
    ground.SampleRateError: 422,
    ground.ChannelsError: 422,
    ground.SamplesError: 413,
    ground.DecoderFailedError: 422,
    ground.ContractError: 503,
}
HTTP_CODES = {
    400: "bad_request", 404: "not_found", 405: "method_not_allowed", 408: "request_timeout",
    413: "body_too_large", 415: "unsupported_media_type",
}  # fmt: skip
OTHER_CODE, INTERNAL_CODE = "http_error", "internal_error"
PROBLEM_TYPE = "application/problem+json"


def register(app: Flask, retry_after_s: int, shed: Counter) -> None:
    """Render every error of `app` as problem+json; count in `shed` what was refused for lack of capacity."""

    def known(error: ground.SpeechEmotionError) -> Response:
        if isinstance(error, OverloadedError):
            shed.labels(error.reason, request.url_rule.rule if request.url_rule else "other").inc()
        response = render_problem(*describe(error), retry_after_s)
        if isinstance(error, UpgradeRequiredError):
            response.headers["Upgrade"] = "websocket"
            response.headers["Sec-WebSocket-Version"] = WEBSOCKET_VERSION
        return response

    def http(error: HTTPException) -> Response:
        """What the framework refuses, in our words."""
        status = error.code or 500
        allow = dict(error.get_headers()).get("Allow", "")
        match status:
            case 404:
                detail = f"There is nothing at this path. {request.script_root}/docs lists the paths that there are"
            case 405:
                detail = f"This path does not take {request.method}. It takes {allow}"
            case 413:
                detail = f"The body has more than {app.config['MAX_CONTENT_LENGTH']} bytes"
            case _:
                detail = f"The request was refused: {error.name}"
        response = render_problem(status, HTTP_CODES.get(status, OTHER_CODE), detail, retry_after_s)
        if allow:
            response.headers["Allow"] = allow
        return response

    def unknown(error: Exception) -> Response:
        return render_problem(*describe(error), retry_after_s)

    app.register_error_handler(ground.SpeechEmotionError, known)
    app.register_error_handler(HTTPException, http)
    app.register_error_handler(Exception, unknown)


def describe(error: Exception) -> tuple[int, str, str]:
    """Status, code and detail of an error of ours; any other is a defect. What is not the client's goes to the log."""
    if isinstance(error, ground.SpeechEmotionError):
        if (status := status_of(error)) >= 500:
            log_failure(error.code, error)
        return status, error.code, str(error)
    log.error("request failed", exc_info=error)
    return 500, code_of(error), "the gateway failed; its log says why"


def code_of(error: Exception) -> str:
    """The code that an error has for clients and in metrics; nothing goes to the log."""
    return error.code if isinstance(error, ground.SpeechEmotionError) else INTERNAL_CODE


def status_of(error: ground.SpeechEmotionError) -> int:
    """HTTP status of an error: its own, or that of its nearest class in `STATUS`."""
    return status_of_class(type(error))


def status_of_class(kind: type[ground.SpeechEmotionError]) -> int:
    """HTTP status of a class of errors."""
    if issubclass(kind, GatewayError):
        return kind.status
    return next((STATUS[parent] for parent in kind.__mro__ if parent in STATUS), 500)


def problem(status: int, code: str, detail: str, request_id: str, root: str = "") -> dict[str, str | int]:
    """One problem document; `root` is the path that clients have to put before those of this service."""
    return {
        "type": f"{root}/docs#{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
    }


def render_problem(status: int, code: str, detail: str, retry_after_s: int, **members: object) -> Response:
    """The response with a problem and further `members`; 503 says when to come back."""
    g.error_code = code
    document = {**problem(status, code, detail, g.request_id, request.script_root), **members}
    response = Response(json.dumps(document), status, content_type=PROBLEM_TYPE)
    if status == 503:
        response.headers["Retry-After"] = str(retry_after_s)
    return response
