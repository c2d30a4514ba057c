"""What commands show while they work, and how they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import Progress

EXIT_CODES = {
    "no_such_version": 3,
    "version_in_use": 4,
    "store_conflict": 5,
    "not_served": 6,
    "data_set": 7,
    "failed_check": 8,
}
"""Of an error's `code`; every other error is 1."""


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error; call what it yields once a step."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def failing() -> Iterator[None]:
    """A known error becomes one red line on standard error, and its exit code."""
    from speech_emotion.errors import SpeechEmotionError

    try:
        yield
    except SpeechEmotionError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        raise typer.Exit(EXIT_CODES.get(error.code, 1)) from None
    except OSError as error:
        typer.secho(f"{error.filename or ''} {error.strerror or error}".strip(), fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from None
