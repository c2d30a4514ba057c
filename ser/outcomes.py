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
from pathlib import Path
from typing import Any

from speech_emotion.client import Answer, Client, ClientError, ProblemError, UnreachableError

STDIN = "-"
# What a folder is searched for; a file that is named is sent whatever its suffix.
SUFFIXES = frozenset(
    {".aac", ".aif", ".aiff", ".au", ".caf", ".flac", ".m4a", ".mka", ".mp3", ".mp4", ".oga", ".ogg", ".opus"}
    | {".wav", ".wave", ".webm"}
)


class UsageError(Exception):
    """The arguments name no clip, or no model store."""


class ServiceAwayError(Exception):
    """The service cannot be reached, or stayed unavailable through all retries."""


@dataclass(frozen=True)
class Options:
    """How each clip is asked for."""

    top: int | None = None
    timeline: bool = False
    jobs: int = 3  # what a worker of a gateway holds by default


@dataclass(frozen=True)
class Outcome:
    """A clip's name as given, and its answer or why there is none."""

    file: str
    answer: Answer | None = None
    error: Exception | None = None

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
            "error": {"code": self.error_code, "detail": str(self.error), "request_id": request_id},
        }


def find_clips(inputs: Sequence[str]) -> list[str]:
    """The clips that arguments name: files as they are, audio files of folders in order of path, `-`; each once.

    Raises UsageError for a folder without audio.
    """
    found: dict[str, None] = {}
    for name in inputs:
        folder = Path(name)
        if name == STDIN or not folder.is_dir():
            found[name] = None
            continue
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
        if not files:
            raise UsageError(f"{folder} holds no audio file ({' '.join(sorted(SUFFIXES))})")
        found.update((str(path), None) for path in files)
    return list(found)


def predict_all(client: Client, clips: Sequence[str], options: Options) -> Iterator[Outcome]:
    """Outcomes in the order of `clips`, `options.jobs` at a time, fewer where the service does not hold so many.

    Raises ServiceAwayError at the first clip for which nobody answers: the rest would fail alike.
    """
    pool = ThreadPoolExecutor(options.jobs, thread_name_prefix="predict")
    try:
        yield from pool.map(partial(_predict, client, options, _Places(options.jobs)), clips)
    finally:
        pool.shutdown(cancel_futures=True)


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


def _predict(client: Client, options: Options, places: _Places, name: str) -> Outcome:
    source = sys.stdin.buffer.read() if name == STDIN else Path(name)
    try:
        while True:
            with places.hold():
                return Outcome(name, client.predict(source, top=options.top, timeline=options.timeline))
    except UnreachableError as error:
        raise ServiceAwayError(str(error)) from error
    except ProblemError as error:
        if error.status == 503:
            raise ServiceAwayError(f"the service is not available: {error}") from error
        return Outcome(name, error=error)
    except (ClientError, OSError) as error:
        return Outcome(name, error=error)
