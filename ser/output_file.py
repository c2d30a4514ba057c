"""The file that `ser predict --output` appends answers to, and that a later run goes on with."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from ser.formats import COLUMNS, JSON_START, Format, csv_line, csv_row, json_line
from ser.outcomes import Outcome
from ser.output import writing
from speech_emotion.files import whole_file


class OutputFile:
    """A file that answers are appended to, one a line, so that a run can go on where another ended.

    Failures are not written: they are tried again. A last line that was cut off is dropped. In CSV a clip of separate
    channels has a line for each, and nothing says how many: the last clip of the file may lack some of them. It counts
    as not answered, and its lines make way for those of its new answer.
    """

    def __init__(self, path: Path, form: Format, columns: Sequence[str] = COLUMNS) -> None:
        self._path = path
        self._as_csv = form == "csv"
        self._by_channel = self._as_csv and "channel" in columns
        self._line: Callable[[Outcome], str] = partial(csv_row, columns=columns) if self._as_csv else json_line
        self._begun = False
        self._perhaps_cut: str | None = None  # the clip that may lack channels
        self._start = (csv_line(columns) + "\n" if self._as_csv else JSON_START).encode()

    def done(self) -> set[str]:
        """Names of the clips that have an answer. Raises OSError, and ValueError if the file is not of this format."""
        if not self._path.is_file():
            return set()  # a device or a pipe holds nothing
        with self._path.open("rb") as file:
            start = file.read(len(self._start))
            # Looked at first, so that another file is neither read whole nor changed.
            if start != self._start[: len(start)]:
                raise self._foreign()
            data = start + file.read()
        whole = self._whole(data)
        try:
            names = self._names(_text(whole))
            answered = set(names)
        except (ValueError, KeyError, TypeError) as error:
            raise self._foreign() from error
        if len(whole) < len(data):
            os.truncate(self._path, len(whole))
        self._begun = bool(whole)
        self._perhaps_cut = names[-1] if names and self._by_channel else None
        return answered - {self._perhaps_cut}

    def write(self, outcome: Outcome) -> None:
        """Append an answer, at once, whole or not at all. Raises OSError."""
        data = (self._line(outcome) + "\n").encode(errors="surrogateescape")
        with writing(self._path):
            if outcome.file == self._perhaps_cut:
                self._replace(outcome.file, data)
                self._perhaps_cut = None
            else:
                _append(self._path, data if self._begun or not self._as_csv else self._start + data)
        self._begun = True

    def _replace(self, name: str, data: bytes) -> None:
        path = self._path.resolve()  # a link stays one
        rows = csv.reader(io.StringIO(_text(path.read_bytes()), newline=""))
        kept = "".join(csv_line(row) + "\n" for row in rows if row[:1] != [name])
        with whole_file(path) as temporary:
            temporary.write_bytes(kept.encode(errors="surrogateescape") + data)
            shutil.copymode(path, temporary)

    def _whole(self, data: bytes) -> bytes:
        end = data.rfind(b"\n") + 1
        # A name may hold a line break, which is then inside quotes.
        while self._as_csv and data.count(b'"', 0, end) % 2:
            end = data.rfind(b"\n", 0, end - 1) + 1
        return data[:end]

    def _names(self, text: str) -> list[str]:
        if self._as_csv:
            return [row["file"] for row in csv.DictReader(io.StringIO(text, newline=""))]
        return [json.loads(line)["file"] for line in text.split("\n") if line]

    def _foreign(self) -> ValueError:
        form = "CSV" if self._as_csv else "JSON lines"
        return ValueError(f"{self._path} holds something else than answers as {form}, and stays as it is")


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")


def _append(path: Path, data: bytes) -> None:
    """All of it, or nothing: a disk may become full, and Ctrl-C come, in the middle. A device keeps what it got."""
    size = path.stat().st_size if path.exists() else 0
    try:
        with path.open("ab") as file:
            file.write(data)
    except BaseException:
        if path.is_file():
            with suppress(OSError):
                os.truncate(path, size)
        raise
