"""A multipart form's files, read as they arrive: nothing of the form is held but the files themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from flask import Request
from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser
from werkzeug.http import parse_options_header

from preprocess_gateway.errors import (
    BadFormError,
    FormTooLargeError,
    MissingFileError,
    UnsupportedMediaTypeError,
)
from preprocess_gateway.http.query import PredictQuery, RecordingQuery
from preprocess_gateway.settings import Settings

FIELD = "file"
OPTIONS = frozenset(PredictQuery.model_fields) | frozenset(RecordingQuery.model_fields)
"""Refused as fields of a form: to ignore them would change the answer."""
FILE_NAME = re.compile(r";\s*filename(\*\d*)?\*?\s*=", re.IGNORECASE)  # a part with one is a file, however it is quoted
PLAIN_ENCODINGS = ("", "binary", "8bit", "7bit", "identity")
MAX_SHOWN = 40


class Buffer(Protocol):
    """What a file's bytes are written to."""

    def write(self, piece: bytes | bytearray, /) -> object:
        """Take the next bytes."""


B = TypeVar("B", bound=Buffer)


class FormReader(Generic[B]):
    """Takes a form piece by piece and keeps what its fields `file` hold, in the form's order."""

    def __init__(self, request: Request, settings: Settings, buffer: Callable[[], B], max_files: int) -> None:
        """`buffer` is called for each file. Raises BadFormError if the request names no boundary."""
        self._settings = settings
        self._buffer = buffer
        self._max_files = max_files
        self._files: list[B] = []
        self._file: B | None = None  # the one that is being read
        self._text_bytes = 0
        self._strangers: list[str] = []
        self._has_text = False  # in the field itself
        boundary = request.mimetype_params.get("boundary", "").encode("latin-1", "replace")
        try:
            # As latin-1 any name can be read, whatever its bytes; names of files are never used.
            self._parser = PushMultipartParser(
                boundary, max_segment_count=settings.max_form_parts, header_charset="latin-1"
            )
        except MultipartError as error:
            raise BadFormError("The Content-Type has no usable boundary") from error

    @property
    def buffers(self) -> Iterable[B]:
        """What is held of the form so far."""
        return self._files

    def feed(self, piece: bytes) -> None:
        """Take the next bytes. Raises FormTooLargeError, BadFormError, UnsupportedMediaTypeError."""
        try:
            for event in self._parser.parse(piece):
                if isinstance(event, MultipartSegment):
                    self._begin(event)
                elif event is not None:
                    self._take(event)
        except ParserLimitReached as error:
            raise FormTooLargeError(
                f"The form has more than {self._settings.max_form_parts} parts, or a part has too long a header"
            ) from error
        except MultipartError as error:
            raise BadFormError("The body is not the multipart form that its Content-Type announces") from error

    def finish(self) -> list[B]:
        """The files, after the last bytes. Raises BadFormError, MissingFileError."""
        try:
            self._parser.close()
        except MultipartError as error:
            raise BadFormError("The form ends before its last boundary") from error
        others = ", ".join(f"`{name[:MAX_SHOWN]}`" for name in self._strangers)
        if not self._files:
            if self._has_text:
                raise MissingFileError(
                    'The field `file` of the form has no file name, so it is text: send it with one (filename="a.wav")'
                )
            raise MissingFileError(
                "The form has no file in a field named `file`" + (f"; it has files in {others}" if others else "")
            )
        if others:
            raise BadFormError(f"The form has files in {others} too; files are read from fields named `file` only")
        return self._files

    def _begin(self, segment: MultipartSegment) -> None:
        self._file, self._text_bytes = None, 0
        # Werkzeug's, as the parser's own overlooks `filename*`, which older clients send.
        disposition = segment.header("Content-Disposition")
        _, named = parse_options_header(disposition)
        if not FILE_NAME.search(disposition):
            if (option := named.get("name")) in OPTIONS:
                raise BadFormError(f"The form has a field `{option}`; options belong in the query: `?{option}=...`")
            self._has_text |= option == FIELD
            return
        if (field := named.get("name", "")) != FIELD:
            if named.get("filename") != "":  # without a name it is a field of a page that nobody filled in
                self._strangers.append(field)
            return
        for header in ("Content-Transfer-Encoding", "Content-Encoding"):
            encoding = segment.header(header, "")
            if encoding.lower() not in PLAIN_ENCODINGS:
                raise UnsupportedMediaTypeError(f"The file has the {header} {encoding[:MAX_SHOWN]!r}; send it as it is")
        if len(self._files) == self._max_files:
            more = f"more than {self._max_files} files" if self._max_files > 1 else "more than one file"
            raise FormTooLargeError(f"The form has {more}")
        self._file = self._buffer()
        self._files.append(self._file)

    def _take(self, piece: bytes) -> None:
        if self._file is not None:
            self._file.write(piece)
            return
        self._text_bytes += len(piece)
        if self._text_bytes > self._settings.max_form_field_bytes:
            raise FormTooLargeError(
                f"A field of the form without a file name has more than {self._settings.max_form_field_bytes} bytes"
            )
