"""What a call is refused with: one of the canonical codes and a message, on gRPC and REST alike."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """The canonical codes, with the numbers that gRPC, TensorFlow and StatusProto share."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class ServingError(Exception):
    """A call or a configuration that is refused; `str(error)` reads as in the real server's log."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


def invalid_argument(message: str) -> ServingError:
    """The request itself is wrong."""
    return ServingError(Code.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """The model or version is not served."""
    return ServingError(Code.NOT_FOUND, message)


def failed_precondition(message: str) -> ServingError:
    """The request does not fit what is loaded."""
    return ServingError(Code.FAILED_PRECONDITION, message)
