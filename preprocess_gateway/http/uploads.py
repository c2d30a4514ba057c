"""Request bodies to clips: a form's files or the body itself, bounded in size, parts, time and memory."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import BytesIO
from typing import BinaryIO

from flask import Request

from preprocess_gateway.errors import (
    BodyTooLargeError,
    IncompleteBodyError,
    LengthRequiredError,
    OverloadedError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)
from preprocess_gateway.http.body_streams import DeclaredBody
from preprocess_gateway.http.forms import FormReader
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.http.spool import Spool, SpooledBody
from preprocess_gateway.quotas import Ledger
from preprocess_gateway.settings import HELD_FOR_A_BODY, Settings

PIECE_BYTES, LEAST_PIECE_BYTES = 65_536, 4_096
# Larger pieces are allocated anew each time, which costs more than copying.
MULTIPART = "multipart/form-data"
RAW_TYPES = ("application/octet-stream", "application/ogg", "application/mp4", "application/x-matroska")
RAW_FAMILIES = ("audio/", "video/")  # browsers and phones call a recording of sound alone a video too
CHUNKED = "chunked"


class Uploads:
    """Reads bodies; what all requests hold in memory together is bounded."""

    def __init__(self, settings: Settings, reading: ReadDeadlines, ledger: Ledger) -> None:
        self._settings = settings
        self._reading = reading
        self._memory = ledger.quota("held_bytes", settings.max_held_bytes)
        self._spool = Spool(settings.spool_dir, ledger.quota("spooled_bytes", settings.max_spooled_bytes))
        self._recordings = ledger.quota("recordings", settings.max_recordings)

    @contextmanager
    def read_recording(self, request: Request) -> Iterator[bytes | BinaryIO]:
        """The one recording of a request, while the block runs: its bytes, or a file of them if they are many.

        One of the places for recordings is taken before anything is read, and held as long. The body comes as that of
        `read`, with one file; it may take longer, but has to keep a rate.

        Raises what `read` does, and OverloadedError if all places are taken or the folder has no room.
        """
        form = check_headers(request, self._settings.max_recording_bytes)
        if not self._recordings.take():
            raise OverloadedError("As many recordings as are allowed are being answered", reason="recordings")
        with ExitStack() as stack:
            stack.callback(self._recordings.give)
            held = _Held(self)
            stack.callback(held.release)

            def new_body() -> SpooledBody:
                body = SpooledBody(self._spool, self._settings.spool_bytes, request.content_length or 0)
                stack.callback(body.close)
                return body

            bodies = self._fill(request, form, new_body, held)
            yield bodies[0].finish()

    def _fill(
        self, request: Request, form: bool, new_body: Callable[[], SpooledBody], held: _Held
    ) -> list[SpooledBody]:
        if form:
            reader = FormReader(request, self._settings, new_body, max_files=1)
            for piece in self._pieces(request, self._settings.max_recording_bytes, keep_rate=True):
                reader.feed(piece)
                held.count(body.memory for body in reader.buffers)
            return reader.finish()
        body = new_body()
        for piece in self._pieces(request, self._settings.max_recording_bytes, keep_rate=True):
            body.write(piece)
            held.count([body.memory])
        return [body]

    @contextmanager
    def read(
        self, request: Request, form: bool, on_slow: Callable[[], None] = lambda: None
    ) -> Iterator[tuple[bytes, ...]]:
        """The clips of a request, while the block runs: one or more, each once in memory.

        A `form`, as `check_headers` says, has them in fields named `file`; otherwise the body itself is the clip.
        `on_slow` is called if the body does not arrive at once.

        Raises BodyTooLargeError, FormTooLargeError, UnsupportedMediaTypeError, BadFormError, MissingFileError,
        IncompleteBodyError, RequestTimeoutError, or OverloadedError if too many bytes are held.
        """
        held = _Held(self)

        def slow() -> None:
            held.settle()
            on_slow()

        body = request.environ["wsgi.input"]
        if isinstance(body, DeclaredBody):
            body.on_slow = slow
            held.expect(min(body.left, self._settings.max_body_bytes))
        else:  # whether chunks arrive at once is not known
            slow()
        try:
            files = self._read_form(request, held) if form else self._read_raw(request, held)
            held.settle()
            clips = tuple(file.getvalue() for file in files)  # the buffer itself, which is not copied
            del files
            yield clips
        finally:
            held.release()

    def _read_raw(self, request: Request, held: _Held) -> list[BytesIO]:
        body = BytesIO()
        for piece in self._pieces(request, self._settings.max_body_bytes):
            body.write(piece)
            held.count([body])
        return [body]

    def _read_form(self, request: Request, held: _Held) -> list[BytesIO]:
        form = FormReader(request, self._settings, BytesIO, self._settings.max_files)
        for piece in self._pieces(request, self._settings.max_body_bytes):
            form.feed(piece)
            held.count(form.buffers)
        return form.finish()

    def _pieces(self, request: Request, max_bytes: int, *, keep_rate: bool = False) -> Iterator[bytes]:
        """The body, to its end and within its time: with `keep_rate` the time grows with what is received."""
        declared, stream = request.content_length, request.environ["wsgi.input"]
        received, begun = 0, time.monotonic()
        piece_bytes = self._piece_bytes if keep_rate else PIECE_BYTES
        try:
            while piece := stream.read(piece_bytes if declared is None else min(piece_bytes, declared - received)):
                received += len(piece)
                if received > max_bytes:
                    raise BodyTooLargeError(f"The body has more than {max_bytes} bytes")
                if keep_rate:
                    self._extend(request, begun, received)
                yield piece
        except OSError as error:  # gunicorn's errors of a broken body are OSErrors
            self._check_time(request, begun, received if keep_rate else None)
            raise IncompleteBodyError(
                f"The request body ended early, or its chunks are malformed: {received:,} bytes received"
            ) from error
        self._check_time(request, begun, received if keep_rate else None)
        if declared is not None and received < declared:
            raise IncompleteBodyError(f"The request body ended early: {received:,} of {declared:,} bytes received")

    @property
    def _piece_bytes(self) -> int:
        """What is read at once of a recording: at the minimum rate it comes in half the time that a piece may take."""
        in_time = self._settings.min_recording_rate * self._reading.timeout_s / 2
        return min(PIECE_BYTES, max(LEAST_PIECE_BYTES, int(in_time)))

    def _extend(self, request: Request, begun: float, received: int) -> None:
        """No piece may take longer than a whole short request, nor all so far longer than at the minimum rate."""
        timeout_s = self._reading.timeout_s
        at_rate = begun + timeout_s + received / self._settings.min_recording_rate
        self._reading.extend(request.environ.get("gunicorn.socket"), min(at_rate, time.monotonic() + timeout_s))

    def _check_time(self, request: Request, begun: float, at_rate: int | None) -> None:
        if not self._reading.end(request.environ.get("gunicorn.socket")):
            return
        timeout_s = self._reading.timeout_s
        if at_rate is None:
            raise RequestTimeoutError(f"The request was not complete after {timeout_s:g} s")
        raise RequestTimeoutError(
            f"The recording was sent too slowly: {at_rate:,} bytes in {time.monotonic() - begun:.0f} s. It needs "
            f"{self._settings.min_recording_rate:,} bytes per second, and no pause of {timeout_s:g} s"
        )

    def hold(self, more_bytes: int) -> None:
        """Count what one request holds more, or less, than before. Raises OverloadedError."""
        if more_bytes < 0:
            self._memory.give(-more_bytes)
        elif more_bytes and not self._memory.take(more_bytes):
            raise OverloadedError("Too much audio is being uploaded at once", reason="memory")


class _Held:
    """What one request holds of the memory of all."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._expected = self._counted = self._taken = 0

    def expect(self, body_bytes: int) -> None:
        """Hold from now on what a body will take while it arrives, if there is as much.

        Its pieces are held with that: to take each one for itself would lock the workers' counts as often.
        """
        expected = int(HELD_FOR_A_BODY * body_bytes)
        with suppress(OverloadedError):
            self._take(expected)
            self._expected = expected

    def settle(self) -> None:
        """Hold no more than what has arrived."""
        self._expected = 0
        self._take(self._counted)

    def count(self, buffers: Iterable[BytesIO]) -> None:
        """Hold these from now on. A buffer that grows takes a little more than its content."""
        self._counted = sum(map(sys.getsizeof, buffers))
        self._take(max(self._counted, self._expected))

    def release(self) -> None:
        """Hold nothing."""
        self.count(())
        self.settle()

    def _take(self, size: int) -> None:
        self._uploads.hold(size - self._taken)
        self._taken = size


def check_headers(request: Request, max_bytes: int) -> bool:
    """Whether the body is a multipart form, by the request's headers: called before anything is taken for it.

    With any audio or video type, or one of `RAW_TYPES`, it is the clip itself. Raises LengthRequiredError,
    UnsupportedMediaTypeError, BodyTooLargeError for a declared length of more than `max_bytes`.
    """
    transfer = _codings(request, "Transfer-Encoding")
    if request.content_length is None and CHUNKED not in transfer:
        raise LengthRequiredError("The request has no body: a Content-Length or chunks are needed")
    for name, codings in (
        ("Content-Encoding", _codings(request, "Content-Encoding")),
        ("Transfer-Encoding", [coding for coding in transfer if coding != CHUNKED]),
    ):
        if codings:
            raise UnsupportedMediaTypeError(f"The body has the {name} {', '.join(codings)[:40]!r}; send it as it is")
    form = request.mimetype == MULTIPART
    if form or request.mimetype in RAW_TYPES or request.mimetype.startswith(RAW_FAMILIES):
        if (request.content_length or 0) > max_bytes:
            raise BodyTooLargeError(f"The body has more than {max_bytes} bytes")
        return form
    said = f"not as {request.mimetype[:40]!r}" if request.mimetype else "with a Content-Type"
    raise UnsupportedMediaTypeError(
        f"Send the clip in the field `file` of a {MULTIPART} body, or as the body with an audio or video type "
        f"or application/octet-stream, {said}"
    )


def _codings(request: Request, header: str) -> list[str]:
    named = (coding.strip().lower() for coding in request.headers.get(header, "").split(","))
    return [coding for coding in named if coding not in ("", "identity")]
