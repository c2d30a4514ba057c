"""Request bodies to a clip's bytes: multipart or raw, bounded in size, parts and time."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from flask import Request
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser

from preprocess_gateway.errors import (
    BadFormError,
    BodyTooLargeError,
    FormTooLargeError,
    IncompleteBodyError,
    MissingFileError,
    OverloadedError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.settings import Settings

CHUNK_BYTES = 65_536
MULTIPART = "multipart/form-data"
RAW_TYPES = ("application/octet-stream", "application/ogg", "video/mp4", "video/webm")  # browsers record these too


class Uploads:
    """Reads bodies; what all requests of a worker hold in memory together is bounded."""

    def __init__(self, settings: Settings, reading: ReadDeadlines) -> None:
        self._settings = settings
        self._reading = reading
        self._lock = threading.Lock()
        self._held_bytes = 0

    @contextmanager
    def read(self, request: Request) -> Iterator[bytes]:
        """The clip of a request, while the block runs.

        A multipart form has it in the field `file`; any audio type or `application/octet-stream` is the
        clip itself, and spares the parsing.

        Raises UnsupportedMediaTypeError, BodyTooLargeError, FormTooLargeError, BadFormError, MissingFileError,
        IncompleteBodyError, RequestTimeoutError, or OverloadedError if too many bytes are held already.
        """
        raw = request.mimetype.startswith("audio/") or request.mimetype in RAW_TYPES
        if not raw and request.mimetype != MULTIPART:
            raise UnsupportedMediaTypeError(
                f"send the clip in the field `file` of a {MULTIPART} body, or as the body with an audio type "
                "or application/octet-stream"
            )
        held = _Held()
        try:
            body = self._read_body(request, held)
            yield body if raw else self._parse_form(body, request)
        finally:
            self._hold(-held.bytes)

    def _read_body(self, request: Request, held: _Held) -> bytes:
        limit = self._settings.max_body_bytes
        chunks: list[bytes] = []
        try:
            # Werkzeug bounds the stream by MAX_CONTENT_LENGTH, declared or not.
            while chunk := request.stream.read(CHUNK_BYTES):
                self._hold(len(chunk))
                held.bytes += len(chunk)
                chunks.append(chunk)
        except RequestEntityTooLarge as error:
            raise BodyTooLargeError(f"the body has more than {limit} bytes") from error
        except (ClientDisconnected, OSError) as error:  # gunicorn's errors of a broken body are OSErrors
            if self._reading.end(request.environ.get("gunicorn.socket")):
                raise RequestTimeoutError(
                    f"the request was not complete after {self._reading.timeout_s:g} s"
                ) from error
            raise IncompleteBodyError("the body ended before its end") from error
        if self._reading.end(request.environ.get("gunicorn.socket")):
            raise RequestTimeoutError(f"the request was not complete after {self._reading.timeout_s:g} s")
        # gunicorn hands over what a client sent that went away as if it were all.
        if request.content_length is not None and held.bytes < request.content_length:
            raise IncompleteBodyError("the body ended before its end")
        return b"".join(chunks)

    def _parse_form(self, body: bytes, request: Request) -> bytes:
        parser = MultiPartParser(
            stream_factory=_in_memory,
            max_form_memory_size=self._settings.max_form_field_bytes,
            max_form_parts=self._settings.max_form_parts,
        )
        boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
        try:
            _, files = parser.parse(io.BytesIO(body), boundary, len(body))
        except RequestEntityTooLarge as error:
            raise FormTooLargeError(
                f"the form has more than {self._settings.max_form_parts} parts, or a text field of more than "
                f"{self._settings.max_form_field_bytes} bytes"
            ) from error
        except ValueError as error:
            raise BadFormError("the body is not the multipart form that its header says") from error
        upload: FileStorage | None = files.get("file")
        if upload is None:
            raise MissingFileError("the form has no file in a field named `file`")
        data: bytes = upload.read()
        return data

    def _hold(self, count: int) -> None:
        with self._lock:
            if count > 0 and self._held_bytes + count > self._settings.max_held_bytes:
                raise OverloadedError("too much audio is being uploaded at once", reason="memory")
            self._held_bytes += count


class _Held:
    """What one request holds."""

    bytes = 0


def _in_memory(*_: object, **__: object) -> IO[bytes]:
    return io.BytesIO()  # audio is never written to a disk
