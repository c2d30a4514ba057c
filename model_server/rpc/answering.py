"""What every gRPC method shares: a place at the core's gate, and errors as status codes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import grpc

from model_server.core import ServerCore
from model_server.errors import ServingError

_log = logging.getLogger(__name__)
_STATUS = {status.value[0]: status for status in grpc.StatusCode}
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


def answer(
    core: ServerCore, context: grpc.ServicerContext, method: Callable[[_Request], _Response], request: _Request
) -> _Response:
    """Return `method(request)`, or end the call with the status of its ServingError."""
    try:
        with core.gate.place():
            return method(request)
    except ServingError as error:
        status, message = _STATUS[int(error.code)], error.message
    except Exception:  # noqa: BLE001 - a client never sees a trace
        _log.exception("a call failed unexpectedly")
        status, message = grpc.StatusCode.INTERNAL, "internal error"
    context.abort(status, message)
    raise AssertionError("abort raises")
