"""How outcomes are written: a table for people, JSON lines and CSV for scripts, and files to resume."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ser.outcomes import Outcome

if TYPE_CHECKING:
    from rich.table import Table

Format = Literal["table", "json", "csv"]
COLUMNS = (
    "file", "emotion", "confidence", "uncertain", "reason", "warnings", "probabilities", "duration_s",
    "model", "version", "label", "request_id", "error_code", "error",
)  # fmt: skip


def json_line(outcome: Outcome) -> str:
    """One line of JSON."""
    return json.dumps(outcome.to_dict())


def csv_line(values: Sequence[Any]) -> str:
    """One line of CSV, quoted where needed."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(values)
    return buffer.getvalue()


def csv_row(outcome: Outcome) -> str:
    """The line of `COLUMNS`; probabilities as JSON, as their labels are the model's."""
    answer = outcome.answer
    row: dict[str, Any] = {"file": outcome.file, "error_code": outcome.error_code, "error": outcome.error}
    if answer:
        row |= {name: getattr(answer, name) for name in ("emotion", "confidence", "uncertain", "reason", "request_id")}
        row |= {"warnings": " ".join(answer.warnings), "duration_s": answer.audio.duration_s}
        row |= {"model": answer.model.name, "version": answer.model.version, "label": answer.model.label}
        row["probabilities"] = json.dumps(answer.probabilities) if answer.probabilities else None
    return csv_line([row.get(name) for name in COLUMNS])


def table(outcomes: Sequence[Outcome]) -> Table:
    """A table for people; what is not sure says so."""
    from rich.table import Table
    from rich.text import Text

    drawn = Table("file", "emotion", "confidence", "remarks")
    for outcome in outcomes:
        answer = outcome.answer
        if not answer:
            drawn.add_row(Text(outcome.file), Text("failed", "red"), "", Text(f"{outcome.error_code}: {outcome.error}"))
            continue
        remarks = [*(["uncertain"] if answer.uncertain else []), *answer.warnings]
        emotion = answer.emotion or (answer.reason or "none").replace("_", " ")
        confidence = "" if answer.confidence is None else f"{answer.confidence:.0%}"
        style = "yellow" if answer.uncertain or not answer.emotion else ""
        drawn.add_row(Text(outcome.file), Text(emotion, style), confidence, Text(", ".join(remarks)))
    return drawn


class OutputFile:
    """A file that answers are appended to, one a line, so that a run can go on where another ended.

    Failures are not written: they are tried again. A last line that was cut off is dropped.
    """

    def __init__(self, path: Path, form: Format) -> None:
        self._path = path
        self._line: Callable[[Outcome], str] = csv_row if form == "csv" else json_line
        self._form = form

    def done(self) -> set[str]:
        """Names of the clips that have an answer. Raises ValueError if the file is not one of this format."""
        if not self._path.exists() or not (text := self._whole_lines()):
            return set()
        try:
            if self._form == "csv":
                return {row["file"] for row in csv.DictReader(io.StringIO(text))}
            return {json.loads(line)["file"] for line in text.split("\n") if line}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{self._path} holds something else than answers as {self._form}") from error

    def write(self, outcome: Outcome) -> None:
        """Append an answer, at once."""
        fresh = self._form == "csv" and (not self._path.exists() or not self._path.stat().st_size)
        with self._path.open("a", encoding="utf-8", errors="surrogateescape") as file:
            if fresh:
                file.write(csv_line(COLUMNS) + "\n")
            file.write(self._line(outcome) + "\n")

    def _whole_lines(self) -> str:
        data = self._path.read_bytes()
        if not data.endswith(b"\n"):
            data = data[: data.rfind(b"\n") + 1]
            with self._path.open("r+b") as file:
                file.truncate(len(data))
        return data.decode(errors="surrogateescape")
