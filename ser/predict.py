"""`ser predict`: what it asks, prints and exits with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from pathlib import Path

import typer

from ser.clips import Clip, UsageError, find_clips, printable
from ser.formats import COLUMNS, COLUMNS_BY_CHANNEL, Format, OutputFile, csv_line, csv_row, json_line, table
from ser.outcomes import AskOptions, Outcome, ServiceAwayError, predict_all
from ser.output import progress, sentence_of, writing
from speech_emotion.client import Client


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
        sink = _sink(request)
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
    client: Client, clips: Sequence[Clip], request: Request, sink: OutputFile | None, outcomes: list[Outcome]
) -> None:
    lines: dict[Format, Callable[[Outcome], str]] = {
        "json": json_line,
        "csv": partial(csv_row, columns=request.columns),
    }
    streamed = lines.get(request.form) if sink is None else None
    if streamed and request.form == "csv":
        typer.echo(csv_line(request.columns))
    for outcome in _advancing(predict_all(client, clips, request.options), len(clips)):
        outcomes.append(outcome)
        if streamed:
            # As bytes: a name need not be UTF-8, and a file of answers has it as it is.
            with writing("standard output"):
                typer.echo(streamed(outcome).encode(errors="surrogateescape"))
        elif sink and outcome.answer:
            sink.write(outcome)


def _advancing(outcomes: Iterator[Outcome], total: int) -> Iterator[Outcome]:
    if total == 1:
        yield from outcomes
        return
    with progress("predicting", total) as step:
        for outcome in outcomes:
            step()
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


def _sink(request: Request) -> OutputFile | None:
    if request.output is None:
        return None
    as_csv = request.form == "csv" or (request.form == "table" and request.output.suffix.lower() == ".csv")
    return OutputFile(request.output, "csv" if as_csv else "json", request.columns)


def _say(message: str, code: Exit) -> Exit:
    typer.secho(message, fg=typer.colors.RED, err=True)
    return code
