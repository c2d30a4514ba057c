"""Who opens a file, as the kernel tells it (inotify): native libraries do not pass Python's audit hooks."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

IN_ACCESS, IN_OPEN = 0x1, 0x20
NONBLOCKING = os.O_NONBLOCK


class Watch:
    """Events on a folder since it was made."""

    def __init__(self, folder: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(NONBLOCKING)
        assert self._fd >= 0
        assert libc.inotify_add_watch(self._fd, os.fsencode(folder), IN_ACCESS | IN_OPEN) >= 0

    def opened(self) -> bool:
        """Whether anything in the folder was opened or read since the last call."""
        try:
            return bool(os.read(self._fd, 65_536))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._fd)


@contextmanager
def watched(folder: Path) -> Iterator[Watch]:
    watch = Watch(folder)
    try:
        yield watch
    finally:
        watch.close()
