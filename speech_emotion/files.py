"""Files and folders that appear whole or not at all, also on a volume that several machines write."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

LEFTOVER_S = 24 * 3600.0
"""Age in seconds from which a temporary folder is taken for what a killed process left behind."""


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path that replaces `path` when the block ends, and is deleted if the block raises.

    Its name is random: process ids repeat from pod to pod. Folders above `path` are made. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends, and is deleted if the block raises.

    The block makes the folder. What was at `folder` before goes; of several writers the last one stays. Temporary
    folders that are older than LEFTOVER_S are deleted. Raises OSError.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    temporary = _beside(folder)
    try:
        yield temporary
        _replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sweep(folder: Path) -> None:
    for leftover in folder.parent.iterdir():
        if leftover.name.startswith(_prefix(folder)) and leftover.suffix == ".tmp":
            with contextlib.suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime > LEFTOVER_S:
                    shutil.rmtree(leftover, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.with_name(f"{_prefix(path)}{uuid.uuid4().hex}.tmp")


def _prefix(path: Path) -> str:
    """Of temporary names; short enough for any name that a file system takes (255 bytes)."""
    return f".{os.fsdecode(os.fsencode(path.name)[:200])}."


def _replace(new: Path, folder: Path) -> None:
    """Move the old folder aside in one step, so that nobody sees a part of it; then the new one takes its place.

    Where another writer was faster, its folder goes aside as well. One writer is done in each round, so this ends.
    """
    new.stat()  # nothing was made: the old folder stays
    while not _replaced(new, folder):
        pass


def _replaced(new: Path, folder: Path) -> bool:
    old = _beside(folder)
    try:
        with contextlib.suppress(FileNotFoundError):
            folder.rename(old)
        new.rename(folder)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        with contextlib.suppress(OSError):
            old.rename(folder)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
    return True
