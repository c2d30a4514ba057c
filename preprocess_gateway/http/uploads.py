"""Request bodies to clips: a form's files or the body itself, bounded in size, parts, time and memory."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from preprocess_gateway.errors import (
    BodyTooLargeError,
    IncompleteBodyError,
    LengthRequiredError,
    OverloadedError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)
from preprocess_gateway.http.forms import FormReader
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.settings import Settings

PIECE_BYTES = 65_536
MULTIPART = "multipart/form-data"
RAW_TYPES = ("application/octet-stream", "application/ogg", "application/mp4", "application/x-matroska")
RAW_FAMILIES = ("audio/", "video/")  # browsers and phones call a recording of sound alone a video too
CHUNKED = "chunked"


class Uploads:
    """Reads bodies; what all requests of a worker hold in memory together is bounded."""

    def __init__(self, settings: Settings, reading: ReadDeadlines) -> None:
        self._settings = settings
        self._reading = reading
        self._lock = threading.Lock()
        self._held_bytes = 0

    @contextmanager
    def read(self, request: Request) -> Iterator[tuple[bytes, ...]]:
        """The clips of a request, while the block runs: one or more, each once in memory.

        A multipart form has them in fields named `file`; with any audio or video type, or one of `RAW_TYPES`, the
        body itself is the clip.

        Raises LengthRequiredError, UnsupportedMediaTypeError, BodyTooLargeError, FormTooLargeError, BadFormError,
        MissingFileError, IncompleteBodyError, RequestTimeoutError, or OverloadedError if too many bytes are held.
        """
        form = _check_headers(request)
        held = _Held(self)
        try:
            files = self._read_form(request, held) if form else self._read_raw(request, held)
            clips = tuple(file.getvalue() for file in files)  # the buffer itself, which is not copied
            del files
            yield clips
        finally:
            held.count(())

    def _read_raw(self, request: Request, held: _Held) -> list[BytesIO]:
        body = BytesIO()
        for piece in self._pieces(request):
            body.write(piece)
            held.count([body])
        return [body]

    def _read_form(self, request: Request, held: _Held) -> list[BytesIO]:
        form = FormReader(request, self._settings)
        for piece in self._pieces(request):
            form.feed(piece)
            held.count(form.buffers)
        return form.finish()

    def _pieces(self, request: Request) -> Iterator[bytes]:
        """The body, to its end and within its time."""
        received = 0
        try:
            # Werkzeug bounds the stream by MAX_CONTENT_LENGTH, declared or not.
            while piece := request.stream.read(PIECE_BYTES):
                received += len(piece)
                yield piece
        except RequestEntityTooLarge as error:
            raise BodyTooLargeError(f"The body has more than {self._settings.max_body_bytes} bytes") from error
        except (ClientDisconnected, OSError) as error:  # gunicorn's errors of a broken body are OSErrors
            self._check_time(request)
            raise IncompleteBodyError(
                f"The request body ended early, or its chunks are malformed: {received:,} bytes received"
            ) from error
        self._check_time(request)
        # gunicorn hands over what a client sent that went away as if it were all.
        if request.content_length is not None and received < request.content_length:
            raise IncompleteBodyError(
                f"The request body ended early: {received:,} of {request.content_length:,} bytes received"
            )

    def _check_time(self, request: Request) -> None:
        if self._reading.end(request.environ.get("gunicorn.socket")):
            raise RequestTimeoutError(f"The request was not complete after {self._reading.timeout_s:g} s")

    def hold(self, more_bytes: int) -> None:
        """Count what one request holds more, or less, than before. Raises OverloadedError."""
        with self._lock:
            if more_bytes > 0 and self._held_bytes + more_bytes > self._settings.max_held_bytes:
                raise OverloadedError("Too much audio is being uploaded at once", reason="memory")
            self._held_bytes += more_bytes


class _Held:
    """What one request holds of the memory of all."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._bytes = 0

    def count(self, buffers: Iterable[BytesIO]) -> None:
        """Hold these from now on. A buffer that grows takes a little more than its content."""
        size = sum(map(sys.getsizeof, buffers))
        self._uploads.hold(size - self._bytes)
        self._bytes = size


def _check_headers(request: Request) -> bool:
    """Whether the body is a form. Raises LengthRequiredError, UnsupportedMediaTypeError."""
    transfer = _codings(request, "Transfer-Encoding")
    if request.content_length is None and CHUNKED not in transfer:
        raise LengthRequiredError("The request has no body: a Content-Length or chunks are needed")
    for name, codings in (
        ("Content-Encoding", _codings(request, "Content-Encoding")),
        ("Transfer-Encoding", [coding for coding in transfer if coding != CHUNKED]),
    ):
        if codings:
            raise UnsupportedMediaTypeError(f"The body has the {name} {', '.join(codings)[:40]!r}; send it as it is")
    if request.mimetype == MULTIPART:
        return True
    if request.mimetype in RAW_TYPES or request.mimetype.startswith(RAW_FAMILIES):
        return False
    said = f"not as {request.mimetype[:40]!r}" if request.mimetype else "with a Content-Type"
    raise UnsupportedMediaTypeError(
        f"Send the clip in the field `file` of a {MULTIPART} body, or as the body with an audio or video type "
        f"or application/octet-stream, {said}"
    )


def _codings(request: Request, header: str) -> list[str]:
    named = (coding.strip().lower() for coding in request.headers.get(header, "").split(","))
    return [coding for coding in named if coding not in ("", "identity")]
