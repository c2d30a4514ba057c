"""Many clips, one outcome each; a failed one does not stop the rest."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from ser.clips import STDIN, Clip
from ser.output import sentence_of
from speech_emotion.client import Answer, Client, ClientError, ProblemError, UnreachableError
from speech_emotion.client.calls import Channels
from speech_emotion.client.clips import read_clip
from speech_emotion.input_files import MAX_CLIP_BYTES


class ServiceAwayError(Exception):
    """The service cannot be reached, or stayed unavailable through all retries."""


@dataclass(frozen=True)
class AskOptions:
    """How each clip is asked for."""

    top: int | None = None
    timeline: bool = False
    model: str | None = None
    channels: Channels = "mix"
    track: int | None = None
    jobs: int = 3  # what a worker of a gateway holds by default
    max_bytes: int = MAX_CLIP_BYTES


@dataclass(frozen=True)
class Outcome:
    """A clip, and its answer or why there is none."""

    clip: Clip
    answer: Answer | None = None
    error: Exception | None = None

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
        if self.answer:
            return {"file": self.file, **self.answer.to_dict()}
        request_id = self.error.request_id if isinstance(self.error, ProblemError) else None
        return {
            "file": self.file,
            "error": {"code": self.error_code, "detail": self.error_text, "request_id": request_id},
        }


def predict_all(client: Client, clips: Sequence[Clip], options: AskOptions) -> Iterator[Outcome]:
    """Outcomes in the order of `clips`, `options.jobs` at a time, fewer where the service does not hold so many.

    Raises ServiceAwayError at the first clip for which nobody answers: the rest would fail alike.
    """
    pool, wait = ThreadPoolExecutor(options.jobs, thread_name_prefix="predict"), True
    try:
        yield from pool.map(partial(_predict, client, options, _Places(options.jobs)), clips)
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


def _predict(client: Client, options: AskOptions, places: _Places, clip: Clip) -> Outcome:
    try:
        data = _read(clip, options.max_bytes)
        while True:
            with places.hold():
                answer = client.predict(
                    data,
                    top=options.top,
                    timeline=options.timeline,
                    model=options.model,
                    channels=options.channels,
                    track=options.track,
                )
                return Outcome(clip, answer)
    except UnreachableError as error:
        raise ServiceAwayError(str(error)) from error
    except ProblemError as error:
        if error.status == 503:
            raise ServiceAwayError(f"the service is not available: {error}") from error
        return Outcome(clip, error=error)
    except (ClientError, OSError) as error:
        return Outcome(clip, error=error)


def _read(clip: Clip, max_bytes: int) -> bytes:
    """Once, as a pipe cannot be read again when the service turned the clip away."""
    if clip.problem:
        raise clip.problem
    if clip.name == STDIN and sys.stdin is None:
        raise OSError(None, "standard input is closed")
    return read_clip(sys.stdin.buffer if clip.name == STDIN else clip.name, None, max_bytes)[1]
