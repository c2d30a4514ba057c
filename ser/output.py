"""What commands show while they work, and how they end: in a sentence, whatever the world outside does."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID
from typer.core import TyperGroup

EXIT_CODES: Mapping[str, int] = {
    "no_such_version": 3,
    "version_in_use": 4,
    "store_conflict": 5,
    "not_served": 6,
    "data_set": 7,
    "failed_check": 8,
}
"""Of an error's `code`, in `ser models` and `ser pipeline`; every other error is 1."""


OWN = ("speech_emotion", "model_server", "preprocess_gateway", "training_pipeline", "ser")


class Commands(TyperGroup):
    """Commands that end in one line on standard error, never in a traceback, where an error is not their own."""

    codes: ClassVar[Mapping[str, int]] = {}

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        for command in self.commands.values():  # Typer would print a docstring's own line breaks
            command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", command.help or "")

    def make_context(self, *args: Any, **extra: Any) -> Any:
        """Read the options, or print a help text; see `failing`."""
        with failing(self.codes):
            return super().make_context(*args, **extra)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; see `failing`."""
        with failing(self.codes):
            return super().invoke(ctx)


class StoreCommands(Commands):
    """Commands whose exit code says which error it was."""

    codes = EXIT_CODES


@contextmanager
def failing(codes: Mapping[str, int]) -> Iterator[None]:
    """A known error becomes one red line on standard error and its exit code: that of `codes`, else 1.

    After Ctrl-C the process ends by that signal, so that a shell's loop over many calls ends too; after a SIGTERM or
    SIGHUP that something had to be ended for, by that one.
    """
    from speech_emotion.children import Ended
    from speech_emotion.errors import SpeechEmotionError

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may have letters that the terminal lacks
    try:
        yield
    except SpeechEmotionError as error:
        raise fail(str(error), codes.get(error.code, 1)) from None
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] in OWN:
            raise  # a fault of ours
        raise fail(f"this command needs {error.name}, which is not installed here; in a clone: make install") from None
    except BrokenPipeError:
        raise  # who read the output has seen enough: Typer ends without a word
    except OSError as error:
        raise fail(("standard output: " if _drop_unwritten() else "") + sentence_of(error)) from None
    except KeyboardInterrupt as interrupt:
        with suppress(OSError):  # a terminal that was closed
            typer.echo("interrupted", err=True)
        number = interrupt.number if isinstance(interrupt, Ended) else signal.SIGINT
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def fail(message: str, code: int = 1) -> typer.Exit:
    """Print one red line to standard error; returns what the caller raises."""
    typer.secho(message, fg=typer.colors.RED, err=True)
    return typer.Exit(code)


def sentence_of(error: OSError) -> str:
    """What went wrong, behind the path if there is one."""
    said = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {said}" if isinstance(error.filename, str | bytes) else said


@contextmanager
def writing(name: Path | str) -> Iterator[None]:
    """An error that names no file, such as that of a full disk, is one of `name`. Raises OSError."""
    try:
        yield
    except OSError as error:
        if error.filename is None and not isinstance(error, BrokenPipeError) and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(name)) from error
        raise


def output_file(path: Path | None) -> Path | None:
    """Callback of an option for a file to write: that it cannot be written is said before the work, with exit code 2.

    A file that exists stays as it is.
    """
    if path is not None:
        with _usage(path):
            _try_file(path)
    return path


def output_folder(path: Path | None) -> Path | None:
    """The same for a folder, which need not be there."""
    if path is not None:
        with _usage(path):
            _try_folder(path)
    return path


def changed_files(paths: list[Path] | None) -> list[Path]:
    """The same for files that are changed: they must be there."""
    for path in paths or ():
        if not path.is_file():
            raise fail(f"{path} cannot be changed: it is not a file", 2)
        output_file(path)
    return paths or []


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error, if that is a terminal; call what it yields once a step."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


class Bars:
    """A bar for all parts, if there are several, and one for each part that says how far it is."""

    def __init__(self, bar: Progress, description: str, total: int) -> None:
        self._bar = bar
        self._all = bar.add_task(description, total=total) if total > 1 else None
        self._parts: dict[str, TaskID] = {}

    def show(self, part: str, done: float, total: float | None) -> None:
        """How much of a part is done; a part is shown from its first call on. May be called in any thread."""
        if part not in self._parts:
            self._parts[part] = self._bar.add_task(escape(part), total=total)
        self._bar.update(self._parts[part], completed=done, total=total)

    def done(self, part: str) -> None:
        """A part is over, and its own bar goes."""
        if (task := self._parts.pop(part, None)) is not None:
            self._bar.remove_task(task)
        if self._all is not None:
            self._bar.advance(self._all)


@contextmanager
def progress_of_parts(description: str, total: int) -> Iterator[Bars]:
    """The same for `total` parts, of which some take long."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        yield Bars(bar, description, total)


def _try_file(path: Path) -> None:
    if path.is_dir():
        raise IsADirectoryError(None, "it is a folder, not a file")
    if path.is_file():
        path.open("ab").close()
    elif not path.exists():  # devices and pipes say what they think when they are written
        folder = Path(os.path.realpath(path)).parent
        if not folder.is_dir():
            raise NotADirectoryError(None, f"there is no folder {folder}")
        _try_folder(folder)


def _try_folder(path: Path) -> None:
    real = Path(os.path.realpath(path))
    there = next(folder for folder in (real, *real.parents) if folder.exists())
    if not there.is_dir():
        raise NotADirectoryError(None, f"{there} is not a folder")
    tempfile.TemporaryFile(dir=there).close()


@contextmanager
def _usage(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise fail(f"{path} cannot be written: {error.strerror}", 2) from None


def _drop_unwritten() -> bool:
    """Whether standard output is what failed; then nothing tries to write the rest of it again."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
