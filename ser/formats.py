"""How outcomes are written: a table for people, JSON lines and CSV for scripts, and files to resume."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ser.clips import Clip, UsageError, printable
from ser.outcomes import Outcome
from ser.output import writing
from speech_emotion import captions
from speech_emotion.client import Answer, Channel, RecordingChannel, RecordingSummary
from speech_emotion.files import whole_file

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.measure import Measurement
    from rich.table import Table
    from rich.text import Text

MIN_NAME_WIDTH = 12
JSON_START = '{"file": '
Format = Literal["table", "json", "csv", "vtt"]
Verdict: TypeAlias = Answer | Channel | RecordingSummary | RecordingChannel
COLUMNS = (
    "file", "emotion", "confidence", "uncertain", "reason", "warnings", "probabilities", "duration_s",
    "model", "version", "label", "request_id", "error_code", "error",
)  # fmt: skip
COLUMNS_BY_CHANNEL = ("file", "channel", *COLUMNS[1:])
"""Of separate channels: a line for each, counted from 1."""


def json_line(outcome: Outcome) -> str:
    """One line of JSON."""
    return json.dumps(outcome.to_dict())


CSV_END = "\r\n"


def csv_line(values: Sequence[Any]) -> str:
    """One line of CSV, quoted where needed: Python 3.11 quotes a line break only if it is in the terminator."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=CSV_END).writerow(values)
    return buffer.getvalue().removesuffix(CSV_END)


def csv_row(outcome: Outcome, columns: Sequence[str] = COLUMNS) -> str:
    """The line of `columns`, or one for each channel; probabilities as JSON, as their labels are the model's."""
    answer = outcome.answer
    row: dict[str, Any] = {"file": outcome.file, "error_code": outcome.error_code, "error": outcome.error}
    if answer:
        row |= {"duration_s": answer.audio.duration_s, "request_id": answer.request_id}
        row |= {"model": answer.model.name, "version": answer.model.version, "label": answer.model.label}
    rows = [row | _verdict(heard) for heard in _heard(outcome)] or [row]
    return "\n".join(csv_line([each.get(name) for name in columns]) for each in rows)


def _heard(outcome: Outcome) -> Sequence[Verdict]:
    """What there is a verdict on: each channel, or the clip; nothing if it failed."""
    answer = outcome.answer
    return (answer.channels or (answer,)) if answer else ()


def _verdict(heard: Verdict) -> dict[str, Any]:
    row = {name: getattr(heard, name) for name in ("emotion", "confidence", "uncertain", "reason")}
    row["uncertain"] = json.dumps(row["uncertain"])  # false and true, as in JSON and in the gateway's CSV
    row["warnings"] = " ".join(heard.warnings)
    row["probabilities"] = json.dumps(heard.probabilities) if heard.probabilities else None
    row["channel"] = heard.channel if isinstance(heard, Channel | RecordingChannel) else None
    return row


def vtt(summary: RecordingSummary) -> str:
    """The segments of a recording as WebVTT, in order of their start; a separate channel is a voice."""
    parts = summary.channels or (summary,)
    segments = sorted(
        (segment for part in parts for segment in part.segments), key=lambda each: (each.start_s, each.channel or 0)
    )
    return captions.HEADER + "".join(
        captions.caption(
            each.start_s,
            each.end_s,
            each.emotion,
            each.confidence,
            uncertain=each.uncertain,
            channel=each.channel,
        )
        for each in segments
    )


class FileName:
    """A name in a table, shortened from the left where there is no room: its end tells files apart."""

    def __init__(self, name: str) -> None:
        self._name = printable(name)

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        from rich.cells import cell_len
        from rich.measure import Measurement

        return Measurement(MIN_NAME_WIDTH, cell_len(self._name)).with_maximum(options.max_width)

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> Iterator[Text]:
        from rich.cells import cell_len
        from rich.text import Text

        name = self._name
        if cell_len(name) > options.max_width:
            while name and cell_len(name) > options.max_width - 1:
                name = name[1:]
            name = f"\N{HORIZONTAL ELLIPSIS}{name}"
        yield Text(name, no_wrap=True)


def table(outcomes: Sequence[Outcome]) -> Table:
    """A table for people; what is not sure says so."""
    from rich.table import Table
    from rich.text import Text

    separate = any(outcome.answer and outcome.answer.channels for outcome in outcomes)
    drawn = Table("file", *(["channel"] if separate else []), "emotion", "confidence", "remarks")
    for outcome in outcomes:
        name = FileName(outcome.clip.shown)
        if not outcome.answer:
            remark = printable(f"{outcome.error_code}: {outcome.error_text}")
            drawn.add_row(name, *([""] if separate else []), Text("failed", "red"), "", Text(remark))
        for heard in _heard(outcome):
            remarks = [*(["uncertain"] if heard.uncertain else []), *heard.warnings]
            emotion = heard.emotion or (heard.reason or "none").replace("_", " ")
            confidence = "" if heard.confidence is None else f"{heard.confidence:.0%}"
            style = "yellow" if heard.uncertain or not heard.emotion else ""
            channel = [str(heard.channel)] if isinstance(heard, Channel | RecordingChannel) else []
            drawn.add_row(name, *channel, Text(emotion, style), confidence, Text(", ".join(remarks)))
    return drawn


class CaptionFolder:
    """A folder that captions are written to, a file for each clip; a clip that has one is not asked for again."""

    def __init__(self, folder: Path, clips: Sequence[Clip]) -> None:
        """Raises UsageError where two clips would have the same file."""
        self._paths = {clip.name: folder / f"{_relative(clip.shown)}.vtt" for clip in clips}
        if len(set(self._paths.values())) < len(self._paths):
            raise UsageError("two files have the same name, and so would their captions: ask for them one by one")

    def done(self) -> set[str]:
        """Names of the clips that have captions."""
        return {name for name, path in self._paths.items() if path.exists()}

    def write(self, outcome: Outcome) -> None:
        """Write the captions of an answer, whole or not at all. Raises OSError."""
        assert isinstance(outcome.answer, RecordingSummary)  # noqa: S101
        path = self._paths[outcome.file]
        with writing(path), whole_file(path) as temporary:
            temporary.write_text(vtt(outcome.answer), encoding="utf-8")


def _relative(shown: str) -> Path:
    """A clip's path below the folder that was searched, or its file name alone."""
    path = Path(shown)
    return Path(path.name) if path.is_absolute() or ".." in path.parts else path
