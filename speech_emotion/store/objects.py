"""What the file systems of buckets tell of objects, and raise."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from speech_emotion.errors import StoreError

REFUSALS = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
LIBRARY_ERRORS = (
    ("aiohttp", "ClientError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
    ("gcsfs.retry", "HttpError"),
    ("google.auth.exceptions", "GoogleAuthError"),
)
S3_CONFIG = {"connect_timeout": 5, "read_timeout": 30, "retries": {"total_max_attempts": 2}}
"""A server that is away is told within a minute: s3fs repeats a call five times besides."""


def tag(info: dict[str, Any]) -> str | None:
    """What an object's description has that changes with its content."""
    return next((str(info[key]) for key in ("ETag", "etag", "generation") if info.get(key)), None)


def modified(info: dict[str, Any]) -> datetime:
    """When an object was written, as each file system has it."""
    at = next(info[key] for key in ("LastModified", "mtime", "updated", "created") if info.get(key))
    if isinstance(at, float):
        return datetime.fromtimestamp(at, UTC)
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)


def another_was_faster(error: OSError) -> bool:
    """Whether this is the refusal of a conditional write; S3 answers 409 where two of them meet."""
    answer = getattr(error.__cause__, "response", None) or {}
    return isinstance(error, FileExistsError) or answer.get("Error", {}).get("Code") in REFUSALS


@contextlib.contextmanager
def errors(location: str) -> Iterator[None]:
    """What a bucket's libraries raise becomes a StoreError that begins with the location; FileNotFoundError stays."""
    try:
        yield
    except FileNotFoundError:
        raise
    except _library_errors() as error:
        raise StoreError(f"{location}: {error}") from error


def _library_errors() -> tuple[type[Exception], ...]:
    """OSError, and what the libraries of buckets raise besides, of those that are loaded; ValueError: a bad address."""
    loaded = [(module, name) for module, name in LIBRARY_ERRORS if module in sys.modules]
    return (OSError, ValueError, *(getattr(sys.modules[module], name) for module, name in loaded))
