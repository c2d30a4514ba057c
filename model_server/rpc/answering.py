"""What every gRPC method shares: a bounded number of calls at once, and errors as status codes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import grpc

from model_server.errors import Code, ServingError

_log = logging.getLogger(__name__)
_STATUS = {status.value[0]: status for status in grpc.StatusCode}
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Answering:
    """Answers up to `max_calls` calls at once; further ones are refused immediately."""

    def __init__(self, max_calls: int) -> None:
        self._free = threading.BoundedSemaphore(max_calls)

    def answer(
        self, context: grpc.ServicerContext, method: Callable[[_Request], _Response], request: _Request
    ) -> _Response:
        """Return `method(request)`, or end the call with the status of its ServingError."""
        if not self._free.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        try:
            return method(request)
        except ServingError as error:
            status, message = _STATUS[int(error.code)], error.message
        except Exception:  # noqa: BLE001 - a client never sees a trace
            _log.exception("a call failed unexpectedly")
            status, message = _STATUS[int(Code.INTERNAL)], "internal error"
        finally:
            self._free.release()
        context.abort(status, message)
        raise AssertionError("abort raises")
