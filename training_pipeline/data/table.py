"""A CSV table as people's programs write it: read as it is meant, or refused with the line and the reason."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.errors import FileTooLargeError
from speech_emotion.input_files import read_at_most
from training_pipeline.errors import DataError

MAX_BYTES = 256 * 1024 * 1024
"""The largest table that is read: some millions of rows."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Row:
    """A row by its columns' names, and the line that it ends on."""

    line: int
    fields: dict[str, str]


def read_table(path: Path, required: Sequence[str]) -> Iterator[Row]:
    """Read a table in UTF-8 whose columns are separated by commas, semicolons or tabs.

    Names of columns have any case; spaces around names and values do not count, nor does a byte order mark. Empty
    lines are passed over. Values that a short row lacks are empty.

    Raises DataError, with the line where there is one, for a table that is too large, in another encoding or without
    a column of `required`, and for a row with too many values or an open quote.
    """
    text = _text(path)
    header, delimiter = _header(path, text, required)
    # Strict: an open quote would swallow the rest of the table.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    before = 0
    try:
        next(rows)
        before = rows.line_num
        for values in rows:
            before = rows.line_num
            stripped = [value.strip() for value in values]
            if not any(stripped):
                continue
            if any(stripped[len(header) :]):
                raise DataError(
                    f"{path}, line {rows.line_num}: {len(values)} values for {len(header)} columns; "
                    f"put a value that holds one of the {DELIMITERS[delimiter]} into double quotes"
                )
            padded = stripped[: len(header)] + [""] * (len(header) - len(stripped))
            yield Row(rows.line_num, dict(zip(header, padded, strict=True)))
    except csv.Error as error:
        # The reader has come to the end of the table, or to a quote that was to open another value.
        raise DataError(f"{path}, line {before + 1}: a double quote is not closed, or not doubled ({error})") from error


def same_meaning(value: str) -> str:
    """What values have in common that differ only in case, spaces, invisible characters or Unicode form."""
    normal = unicodedata.normalize("NFKC", value).casefold()
    visible = "".join(character for character in normal if unicodedata.category(character) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible).split())


def _text(path: Path) -> str:
    try:
        data = read_at_most(path, MAX_BYTES)
    except FileTooLargeError as error:
        raise DataError(f"{path}: {error}") from error
    if data.startswith(UTF_16) or b"\0" in data[:4096]:
        raise DataError(f"{path} is in UTF-16, or not text: save it as CSV in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: it is not in UTF-8, but perhaps in Latin-1 or Windows-1252: save it as UTF-8"
        ) from error


def _header(path: Path, text: str, required: Sequence[str]) -> tuple[list[str], str]:
    """Names of the columns, and the delimiter that gives most of the required ones."""
    read = {delimiter: _names(path, text, delimiter) for delimiter in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda each: len(set(required) & set(read[each])))
    names = read[delimiter]
    missing = [name for name in required if name not in names]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; needed are {', '.join(required)}")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DataError(f"{path}, line 1: the column {', '.join(twice)} occurs twice")
    return names, delimiter


def _names(path: Path, text: str, delimiter: str) -> list[str]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        return [name.strip().casefold() for name in next(rows, [])]
    except csv.Error as error:
        raise DataError(f"{path}, line 1: {error}") from error


def require_distinct(path: Path, rows: Sequence[Row], column: str) -> None:
    """Raise DataError, naming them and their first lines, for values of `column` that have the same meaning."""
    spelled: dict[str, dict[str, int]] = {}
    for row in rows:
        value = row.fields.get(column, "")
        spelled.setdefault(same_meaning(value), {}).setdefault(value, row.line)
    for values in spelled.values():
        if len(values) > 1:
            # In another Unicode form they look alike: escapes tell them apart.
            alike = len({unicodedata.normalize("NFC", value) for value in values}) < len(values)
            shown = [f"{ascii(value) if alike else repr(value)} (line {line})" for value, line in values.items()]
            raise DataError(
                f"{path}: the column `{column}` has values that differ only in case, spaces or Unicode form: "
                f"{', '.join(shown)}; write them alike"
            )
