"""`ser predict`: what it asks, prints and exits with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import TypeAlias, get_args

import typer

from ser.clips import Clip, UsageError, find_clips, printable
from ser.formats import (
    COLUMNS,
    COLUMNS_BY_CHANNEL,
    CaptionFolder,
    Format,
    csv_line,
    csv_row,
    json_line,
    table,
    vtt,
)
from ser.outcomes import AskOptions, Outcome, ServiceAwayError, predict_all
from ser.output import progress_of_parts, sentence_of, writing
from ser.output_file import OutputFile
from speech_emotion.client import Client, RecordingSummary

FORMATS: Mapping[str, Format] = {name: name for name in get_args(Format)}
Sink: TypeAlias = OutputFile | CaptionFolder


class Exit(IntEnum):
    """Exit codes."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    SERVICE_AWAY = 3


@dataclass(frozen=True)
class Request:
    """What to predict and how to show it; without `url` the model of `store` answers, with no service."""

    inputs: Sequence[str]
    url: str | None = None
    store: Path = Path("models")
    form: Format = "table"
    output: Path | None = None
    deadline_s: float = 30.0
    options: AskOptions = field(default_factory=AskOptions)

    @property
    def columns(self) -> Sequence[str]:
        """Columns of CSV."""
        return COLUMNS if self.options.channels == "mix" else COLUMNS_BY_CHANNEL


def run(request: Request) -> Exit:
    """Predict, print, and say how it went; what is not an answer goes to standard error."""
    try:
        clips = find_clips(request.inputs)
        sink = _sink(request, clips)
        done = sink.done() if sink else set()
    except OSError as error:
        return _say(sentence_of(error), Exit.USAGE)
    except (UsageError, ValueError) as error:
        return _say(str(error), Exit.USAGE)
    todo = [clip for clip in clips if clip.name not in done]
    if done:
        typer.echo(f"{len(clips) - len(todo)} of {len(clips)} clips are in {request.output} already", err=True)
    if not todo:
        return Exit.OK
    outcomes: list[Outcome] = []
    try:
        with _client(request) as client:
            _collect(client, todo, request, sink, outcomes)
        code = Exit.SOME_FAILED if any(outcome.error for outcome in outcomes) else Exit.OK
    except UsageError as error:
        return _say(str(error), Exit.USAGE)
    except ServiceAwayError as error:
        code = _say(f"{error} ({len(outcomes)} of {len(todo)} clips answered)", Exit.SERVICE_AWAY)
    except (OSError, KeyboardInterrupt):
        _show_all(outcomes, request)
        raise
    _show_all(outcomes, request)
    return code


def _collect(
    client: Client, clips: Sequence[Clip], request: Request, sink: Sink | None, outcomes: list[Outcome]
) -> None:
    lines: dict[Format, Callable[[Outcome], str]] = {
        "json": json_line,
        "csv": partial(csv_row, columns=request.columns),
        "vtt": _captions,
    }
    streamed = lines.get(request.form) if sink is None else None
    if streamed and request.form == "csv":
        typer.echo(csv_line(request.columns))
    for outcome in _advancing(client, clips, request.options):
        outcomes.append(outcome)
        if streamed and (outcome.answer or request.form != "vtt"):
            # As bytes: a name need not be UTF-8, and a file of answers has it as it is.
            with writing("standard output"):
                typer.echo(streamed(outcome).encode(errors="surrogateescape"))
        elif sink and outcome.answer:
            sink.write(outcome)


def _captions(outcome: Outcome) -> str:
    return vtt(outcome.answer).rstrip("\n") if isinstance(outcome.answer, RecordingSummary) else ""


def _advancing(client: Client, clips: Sequence[Clip], options: AskOptions) -> Iterator[Outcome]:
    """Outcomes as they come, with a bar for all clips, if there are several, and one for each long recording."""
    with progress_of_parts("predicting", len(clips)) as bars:

        def on_heard(clip: Clip, heard_s: float, duration_s: float | None) -> None:
            bars.show(printable(clip.shown), heard_s, duration_s)

        for outcome in predict_all(client, clips, options, on_heard):
            bars.done(printable(outcome.clip.shown))
            yield outcome


def _show_all(outcomes: Sequence[Outcome], request: Request) -> None:
    failed = [outcome for outcome in outcomes if outcome.error]
    if request.form == "table" and request.output is None:
        from rich.console import Console

        if outcomes:
            Console().print(table(outcomes))
        return
    for outcome in failed:
        typer.echo(f"{printable(outcome.file)}: {outcome.error_code}: {printable(outcome.error_text)}", err=True)


def _client(request: Request) -> AbstractContextManager[Client]:
    """Raises UsageError for a URL that is none."""
    max_bytes = request.options.max_bytes
    if request.url is None:
        from ser.local import local_client  # the gateway's code and all that it needs

        return local_client(request.store, request.options.model, request.deadline_s, max_bytes)
    try:
        return Client(request.url, deadline_s=request.deadline_s, max_bytes=max_bytes)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _sink(request: Request, clips: Sequence[Clip]) -> Sink | None:
    """Raises UsageError for captions that cannot be told apart."""
    if request.form == "vtt":
        if request.output is not None:
            return CaptionFolder(request.output, clips)
        if len(clips) > 1:
            raise UsageError("captions of several files need a folder: --output FOLDER")
    if request.output is None:
        return None
    as_csv = request.form == "csv" or (request.form == "table" and request.output.suffix.lower() == ".csv")
    return OutputFile(request.output, "csv" if as_csv else "json", request.columns)


def _say(message: str, code: Exit) -> Exit:
    typer.secho(message, fg=typer.colors.RED, err=True)
    return code
