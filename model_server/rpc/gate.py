"""What every gRPC method shares: a bounded number of calls at once, and errors as status codes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeVar

import grpc

from model_server.errors import ServingError

_log = logging.getLogger(__name__)
_STATUS = {status.value[0]: status for status in grpc.StatusCode}
_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Gate:
    """Lets `max_calls` calls in at once; further ones are refused at once, as the real server does."""

    def __init__(self, max_calls: int) -> None:
        self._places = threading.BoundedSemaphore(max_calls)

    def answer(
        self, context: grpc.ServicerContext, method: Callable[[_Request], _Response], request: _Request
    ) -> _Response:
        """Return `method(request)`, or end the call with the status of its ServingError."""
        if not self._places.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")
        try:
            return method(request)
        except ServingError as error:
            status, message = _STATUS[int(error.code)], error.message
        except Exception:  # noqa: BLE001 - a client never sees a trace
            _log.exception("a call failed unexpectedly")
            status, message = grpc.StatusCode.INTERNAL, "internal error"
        finally:
            self._places.release()
        context.abort(status, message)
        raise AssertionError("abort raises")
