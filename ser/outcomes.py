"""Many clips, one outcome each; a failed one does not stop the rest."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, BinaryIO, TypeAlias

from ser.clips import STDIN, Clip, standard_input
from ser.output import sentence_of
from speech_emotion.client import (
    Answer,
    Client,
    ClientError,
    ClipTooLargeError,
    ProblemError,
    RecordingError,
    RecordingSummary,
    RecordingWindow,
    UnreachableError,
)
from speech_emotion.client.calls import Channels
from speech_emotion.errors import FileTooLargeError
from speech_emotion.input_files import MAX_CLIP_BYTES, MAX_RECORDING_BYTES, open_at_most

TOO_LONG = ("audio_too_long", "body_too_large", "too_many_samples")
"""What a service answers to a clip that it takes as a recording."""
RECORDING_TRIES = 3
"""How often a recording is sent whose gateway is stopped meanwhile; a rolling update may stop the next one too."""


class ServiceAwayError(Exception):
    """The service cannot be reached, or stayed unavailable through all retries."""


@dataclass(frozen=True)
class AskOptions:
    """How each clip is asked for."""

    top: int | None = None
    emotions: tuple[str, ...] | None = None
    timeline: bool = False
    model: str | None = None
    channels: Channels = "mix"
    track: int | None = None
    jobs: int = 3  # what a worker of a gateway holds by default
    max_bytes: int = MAX_RECORDING_BYTES
    as_recordings: bool = False  # short clips too, as only recordings have segments


@dataclass(frozen=True)
class Outcome:
    """A clip, and its answer or why there is none; `windows` are those of a recording, in an error's case too."""

    clip: Clip
    answer: Answer | RecordingSummary | None = None
    error: Exception | None = None
    windows: tuple[RecordingWindow, ...] = ()

    @property
    def file(self) -> str:
        """The clip's name as given."""
        return self.clip.name

    @property
    def error_text(self) -> str:
        """Why there is no answer, in a sentence."""
        return sentence_of(self.error) if isinstance(self.error, OSError) else str(self.error)

    @property
    def error_code(self) -> str | None:
        """The service's or the client's code; `unreadable` for a file that cannot be read."""
        if self.error is None:
            return None
        return self.error.code if isinstance(self.error, ClientError) else "unreadable"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        timeline = {"timeline": [asdict(window) for window in self.windows]} if self.windows else {}
        if self.answer:
            return {"file": self.file, **self.answer.to_dict(), **timeline}
        request_id = self.error.request_id if isinstance(self.error, ProblemError) else None
        error = {"code": self.error_code, "detail": self.error_text, "request_id": request_id}
        return {"file": self.file, "error": error, **timeline}


OnHeard: TypeAlias = Callable[[Clip, float, float | None], object]
"""Told how many seconds of a recording are heard, and how many there are (None: its header does not say)."""


def predict_all(
    client: Client, clips: Sequence[Clip], options: AskOptions, on_heard: OnHeard = lambda *_: None
) -> Iterator[Outcome]:
    """Outcomes in the order of `clips`, `options.jobs` at a time, fewer where the service does not hold so many.

    A file of more than MAX_CLIP_BYTES, and what the service finds too long for a clip, is asked for as a recording.

    Raises ServiceAwayError at the first clip for which nobody answers: the rest would fail alike.
    """
    pool, wait = ThreadPoolExecutor(options.jobs, thread_name_prefix="predict"), True
    try:
        yield from pool.map(partial(_predict, client, options, _Places(options.jobs), on_heard), clips)
    except KeyboardInterrupt:
        wait = False  # a pipe, or standard input, may stay silent for as long as it likes
        raise
    finally:
        pool.shutdown(wait, cancel_futures=True)


class _Places:
    """How many clips are asked for at once. Each clip that is turned away through all retries costs one place.

    With more than the service holds, some clips would be turned away as long as the others go on.
    """

    def __init__(self, jobs: int) -> None:
        self._free = threading.Semaphore(jobs)
        self._spare = threading.Semaphore(jobs - 1)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold a place while the block runs; ends without an error, and without the place, when turned away.

        The last place stays, and to be turned away there is the error.
        """
        self._free.acquire()
        kept = True
        try:
            yield
        except ProblemError as error:
            kept = error.code != "overloaded" or not self._spare.acquire(blocking=False)
            if kept:
                raise
            time.sleep(error.retry_after_s or 0)
        finally:
            if kept:
                self._free.release()


def _predict(client: Client, options: AskOptions, places: _Places, on_heard: OnHeard, clip: Clip) -> Outcome:
    try:
        with _open(clip, options.max_bytes) as file:
            return _ask_for(client, options, places, partial(on_heard, clip), clip, file)
    except FileTooLargeError as error:
        return Outcome(clip, error=ClipTooLargeError(str(error)))
    except UnreachableError as error:
        raise ServiceAwayError(str(error)) from error
    except RecordingError as error:
        return Outcome(clip, error=error, windows=error.windows if options.timeline else ())
    except ProblemError as error:
        if error.status == 503:
            raise ServiceAwayError(f"the service is not available: {error}") from error
        return Outcome(clip, error=error)
    except (ClientError, OSError) as error:
        return Outcome(clip, error=error)


def _ask_for(
    client: Client,
    options: AskOptions,
    places: _Places,
    on_heard: Callable[[float, float | None], object],
    clip: Clip,
    file: BinaryIO,
) -> Outcome:
    if not options.as_recordings and os.fstat(file.fileno()).st_size <= MAX_CLIP_BYTES:
        data = file.read()
        while True:
            with places.hold():
                try:
                    return Outcome(clip, _clip(client, options, data))
                except ProblemError as error:
                    if error.code not in TOO_LONG:
                        raise
                    break
    for left in reversed(range(RECORDING_TRIES)):
        try:
            while True:
                file.seek(0)
                with places.hold():
                    return _recording(client, options, on_heard, clip, file)
        except RecordingError as error:
            if error.code != "shutting_down" or not left:
                raise
    raise AssertionError("unreachable")


def _clip(client: Client, options: AskOptions, data: bytes) -> Answer:
    return client.predict(
        data,
        top=options.top,
        emotions=options.emotions,
        timeline=options.timeline,
        model=options.model,
        channels=options.channels,
        track=options.track,
    )


def _recording(
    client: Client,
    options: AskOptions,
    on_heard: Callable[[float, float | None], object],
    clip: Clip,
    file: BinaryIO,
) -> Outcome:
    asked = client.recording(
        file,
        top=options.top,
        emotions=options.emotions,
        model=options.model,
        channels=options.channels,
        track=options.track,
        max_bytes=options.max_bytes,
    )
    with asked as recording:
        for window in recording:
            on_heard(window.end_s, recording.duration_s)
        return Outcome(clip, recording.summary, windows=recording.windows if options.timeline else ())


def _open(clip: Clip, max_bytes: int) -> AbstractContextManager[BinaryIO]:
    """Once, as a pipe cannot be read again when the service turned the clip away. Raises OSError, FileTooLargeError."""
    if clip.problem:
        raise clip.problem
    return open_at_most(standard_input() if clip.name == STDIN else clip.name, max_bytes)
