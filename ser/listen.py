"""`ser listen`: samples from a pipe or the microphone to a live stream, and a line for each window."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from types import FrameType
from typing import BinaryIO, cast

import typer

from ser.predict import Exit
from speech_emotion.client import (
    Client,
    ClientError,
    End,
    LiveWindow,
    Now,
    Stream,
    TimeoutExceededError,
    UnreachableError,
)
from speech_emotion.client.live import SAMPLE_BYTES, Encoding

BLOCK_S = 0.1
AHEAD_S = 5.0
RECORDERS: dict[str, Callable[[int, int], list[str]]] = {
    "arecord": lambda rate, channels: ["-q", "-t", "raw", "-f", "S16_LE", f"-c{channels}", f"-r{rate}"],
    "parecord": lambda rate, channels: ["--raw", "--format=s16le", f"--channels={channels}", f"--rate={rate}"],
    "ffmpeg": lambda rate, channels: [
        "-loglevel", "error", "-nostdin", "-f", "pulse", "-i", "default", "-ac", str(channels), "-ar", str(rate),
        "-f", "s16le", "-",
    ],
}  # fmt: skip
"""Programs that write what the microphone hears to standard output; the first that is installed is used."""


class NoMicrophoneError(Exception):
    """There is no way to hear the microphone; `str(error)` is a sentence."""


@dataclass(frozen=True)
class Listening:
    """What to hear, where to ask, and how to show it; without a `source` the microphone is heard."""

    source: BinaryIO | None
    url: str
    sample_rate: int
    encoding: Encoding
    channels: int
    stride_s: float | None = None
    top: int | None = None
    emotions: tuple[str, ...] | None = None
    model: str | None = None
    as_json: bool = False


def run(asked: Listening) -> Exit:
    """Hear until the source ends or Ctrl-C; says how it went."""
    try:
        with Client(asked.url) as client, _source(asked) as source:
            _hear(client, asked, source)
    except NoMicrophoneError as error:
        return _say(str(error), Exit.SOME_FAILED)
    except ValueError as error:
        return _say(str(error), Exit.USAGE)
    except ClientError as error:
        away = isinstance(error, UnreachableError | TimeoutExceededError)
        return _say(str(error), Exit.SERVICE_AWAY if away else Exit.SOME_FAILED)
    return Exit.OK


def _hear(client: Client, asked: Listening, source: BinaryIO) -> None:
    stream = client.stream(
        sample_rate=asked.sample_rate,
        encoding=asked.encoding,
        channels=asked.channels,
        stride_s=asked.stride_s,
        top=asked.top,
        emotions=asked.emotions,
        model=asked.model,
    )
    show = _json if asked.as_json else _line
    with stream, _first_ctrl_c_ends_the_sound(), _speaking(stream, _blocks(asked, source)):
        for event in stream:
            if (line := show(event)) is not None:
                typer.echo(line)
                sys.stdout.flush()


@contextmanager
def _speaking(stream: Stream, blocks: Iterable[bytes]) -> Iterator[None]:
    """Send the blocks in a thread of their own: answers are shown while a source is silent."""
    failed: list[Exception] = []

    def speak() -> None:
        try:
            for block in blocks:
                stream.send(block)
            stream.finish()
        except Exception as error:  # noqa: BLE001 - who listens is told
            failed.append(error)
            stream.close()

    threading.Thread(target=speak, name="speaking", daemon=True).start()
    try:
        yield
    except ClientError as error:
        raise (failed[0] if failed else error) from None


def _blocks(asked: Listening, source: BinaryIO) -> Iterator[bytes]:
    """Blocks as they arrive. A file is read no faster than the service accepts it."""
    frame_bytes = SAMPLE_BYTES[asked.encoding] * asked.channels
    size = max(1, round(BLOCK_S * asked.sample_rate)) * frame_bytes
    # What is there, not as much as was asked for; and without a buffer, whose lock a thread that waits would keep.
    raw = getattr(source, "raw", source)
    read = getattr(raw, "read1", raw.read)
    begun, sent_s = time.monotonic(), 0.0
    while block := read(size):
        yield block
        sent_s += len(block) / frame_bytes / asked.sample_rate
        time.sleep(max(0.0, sent_s - (time.monotonic() - begun) - AHEAD_S))


@contextmanager
def _first_ctrl_c_ends_the_sound() -> Iterator[None]:
    """Who records hears it too, so that its pipe ends and what was said is still answered. A second one ends all."""

    def heard(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _source(asked: Listening) -> Iterator[BinaryIO]:
    if asked.source is not None:
        yield asked.source
        return
    program = next((name for name in RECORDERS if shutil.which(name)), None)
    if program is None:
        raise NoMicrophoneError(
            f"no program that records is installed: install one of {', '.join(RECORDERS)}, or pipe samples in "
            "(arecord -t raw -f S16_LE -r 16000 | ser listen -)"
        )
    command = [program, *RECORDERS[program](asked.sample_rate, asked.channels)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as recorder:  # noqa: S603
        assert recorder.stdout is not None  # noqa: S101
        try:
            yield cast(BinaryIO, recorder.stdout)
        finally:
            recorder.terminate()


def _line(event: LiveWindow | Now | End) -> str | None:
    match event:
        case LiveWindow(emotion=None):
            return f"{event.start_s:7.1f} {event.end_s:7.1f}  -            {event.reason or ''}".rstrip()
        case LiveWindow():
            doubt = "  uncertain" if event.uncertain else ""
            return f"{event.start_s:7.1f} {event.end_s:7.1f}  {event.emotion:<12} {event.confidence:.2f}{doubt}"
        case Now():
            return None
        case End(summary=summary):
            heard_s = summary["audio"]["duration_s"]
            return f"{event.since_s:7.1f} {event.since_s + heard_s:7.1f}  {summary['emotion'] or '-'} altogether"


def _json(event: LiveWindow | Now | End) -> str:
    kind = {LiveWindow: "window", Now: "now", End: "end"}[type(event)]
    return json.dumps({"type": kind, **asdict(event)})


def _say(message: str, code: Exit) -> Exit:
    typer.secho(message, fg=typer.colors.RED, err=True)
    return code
