"""What was computed and can be computed again: kept in folders, and deleted from them, least recently used first.

An entry is one file, or the folder of one job. Recordings and downloads are no cache.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from speech_emotion.files import LEFTOVER_S, whole_file

PRETRAINED_VARIABLE = "SER_PRETRAINED_DIR"
STATISTICS, STATES = "statistics", "states"
"""Folders beside pretrained weights, of what a frozen encoder computed from windows."""
_DIGIT = "[0-9a-f]"
FEATURES = f"{16 * _DIGIT}/{64 * _DIGIT}.npy"
JOB = f"*-{16 * _DIGIT}"
"""Entries by their whole names: a user's own folder may lie beside them."""
_HELD = ".in-use"
"""The file in an entry's folder that those who work in it have locked."""


@dataclass(frozen=True)
class Cache:
    """A folder, and which paths below it are entries."""

    folder: Path
    entries: str


@dataclass(frozen=True)
class Entry:
    """Something that may be deleted: its size, and when it was last used, in seconds since 1970."""

    path: Path
    size_bytes: int
    used_s: float


@dataclass(frozen=True)
class Pruned:
    """What `prune` deleted, and what is left; `swept` counts what killed processes had not finished."""

    entries: int
    freed_bytes: int
    left_bytes: int
    swept: int = 0


def kept_array(path: Path | None, make: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The array at `path` if it is there, else what `make` makes, which is kept; without a path it is made."""
    if path is None:
        return make()
    with suppress(FileNotFoundError):
        values: npt.NDArray[Any] = np.load(path, allow_pickle=False)
        with suppress(OSError):  # a cache that may only be read
            os.utime(path)
        return values
    values = make()
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, values, allow_pickle=False)
    return values


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep `prune` from deleting the entry `folder`, which is made, while the block runs. Several may hold it."""
    with _locked(folder, fcntl.LOCK_SH):
        os.utime(folder)
        yield


def caches_below(root: Path) -> list[Cache]:
    """The caches of all commands, `root` being theirs."""
    pipeline = root / "pipeline"
    return [
        Cache(root / "features", FEATURES),
        Cache(root / "training", JOB),
        *_pretrained_caches(pretrained_folder(root)),
        *_work_caches(pipeline),
    ]


def work_caches(work: Path) -> list[Cache]:
    """The caches of a retraining: features and a folder for each job, both in its work folder, and pretrained ones."""
    return [*_work_caches(work), *_pretrained_caches(pretrained_folder())]


def pretrained_folder(root: Path = Path(".cache")) -> Path:
    """Where packages with pretrained weights lie, and what was computed from these weights."""
    return Path(os.environ.get(PRETRAINED_VARIABLE, root / "pretrained"))


def _work_caches(work: Path) -> list[Cache]:
    return [Cache(work / "cache", FEATURES), Cache(work, JOB)]


def _pretrained_caches(folder: Path) -> list[Cache]:
    return [Cache(folder / name, "*/*.npy") for name in (STATISTICS, STATES)]


def entries_of(caches: Sequence[Cache]) -> list[Entry]:
    """All entries, the least recently used first."""
    paths = [path for cache in caches for path in cache.folder.glob(cache.entries)]
    return sorted(filter(None, map(_entry, paths)), key=lambda entry: entry.used_s)


def prune(caches: Sequence[Cache], max_bytes: int) -> Pruned:
    """Delete the least recently used entries until all that is left has `max_bytes` at most.

    What somebody works in stays, whatever its size. Unfinished files and folders older than LEFTOVER_S go first.
    """
    swept = sum(map(_sweep, caches))
    found = entries_of(caches)
    left, deleted = sum(entry.size_bytes for entry in found), []
    for entry in found:
        if left <= max_bytes:
            break
        if _delete(entry.path):
            deleted.append(entry)
            left -= entry.size_bytes
    return Pruned(len(deleted), sum(entry.size_bytes for entry in deleted), left, swept)


@contextmanager
def bounded(caches: Sequence[Cache], max_bytes: int) -> Iterator[None]:
    """Prune once the block has ended, however it ended."""
    try:
        yield
    finally:
        prune(caches, max_bytes)


def _sweep(cache: Cache) -> int:
    """Delete what `whole_file` and `whole_folder` would have renamed into an entry, or into the folder of one."""
    folders = {str(Path(cache.entries).parent), cache.entries}
    old = [path for folder in folders for path in cache.folder.glob(f"{folder}/.*.tmp") if _is_left_over(path)]
    for path in old:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(old)


def _is_left_over(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime > LEFTOVER_S
    except FileNotFoundError:
        return False


def _entry(path: Path) -> Entry | None:
    """None for what somebody else deleted meanwhile."""
    try:
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        return Entry(path, sum(file.stat().st_size for file in files), path.stat().st_mtime)
    except FileNotFoundError:
        return None


def _delete(path: Path) -> bool:
    """Whether the entry is gone; one that is in use is not."""
    if path.is_file():
        path.unlink(missing_ok=True)
        return True
    try:
        with _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(path, ignore_errors=True)
    except BlockingIOError:
        return False
    return not path.exists()


@contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _HELD).open("wb") as file:
            fcntl.flock(file, how)
            if not _is_there(folder, file):
                continue  # deleted between the two lines above
            yield
            return


def _is_there(folder: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat((folder / _HELD).stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
