"""Files of unknown size and kind: found in folders, and read up to a limit."""

from __future__ import annotations

import errno
import io
import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from speech_emotion.errors import FileTooLargeError

MAX_CLIP_BYTES = 16 * 1024 * 1024
"""The largest clip that is sent: the default of the gateway's setting `max_body_bytes`."""
MAX_RECORDING_BYTES = 1400 * 1024 * 1024
"""The largest long recording that is sent: the default of the gateway's setting `max_recording_bytes`."""
BLOCK_BYTES = 1024 * 1024


def read_at_most(source: str | PathLike[str] | BinaryIO, limit: int) -> bytes:
    """Read a file, a pipe or an open binary file to its end; at most `limit + 1` bytes are ever read.

    Raises FileTooLargeError above `limit` bytes, for a file before it is opened; OSError for folders, devices,
    sockets and what cannot be read; ValueError for a file that is open as text.
    """
    if hasattr(source, "read"):
        return _read(source, limit)
    path = Path(source)
    status = path.stat()
    _require_file_or_pipe(path, status.st_mode)
    require_size(status.st_size, limit)
    with path.open("rb", buffering=0) as file:
        # The name may have come to mean something else since.
        _require_file_or_pipe(path, os.fstat(file.fileno()).st_mode)
        return _read(file, limit)


@contextmanager
def open_at_most(source: str | PathLike[str] | BinaryIO, limit: int) -> Iterator[BinaryIO]:
    """A regular file of at most `limit` bytes, open at its start: the one that is named or given, or a temporary copy.

    So what a pipe holds can be read more than once, and is not held in memory. Raises what `read_at_most` does.
    """
    if isinstance(source, str | PathLike):
        path = Path(source)
        _require_file_or_pipe(path, path.stat().st_mode)
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            _require_file_or_pipe(path, status.st_mode)
            if stat.S_ISREG(status.st_mode):
                require_size(status.st_size, limit)
                yield file
                return
            with _copy(file, limit) as copy:
                yield copy
    elif _is_regular(source):
        require_size(os.fstat(source.fileno()).st_size, limit)
        yield source
    else:
        with _copy(source, limit) as copy:
            yield copy


def require_size(size: int, limit: int) -> None:
    """Raise FileTooLargeError if `size`, in bytes, is above `limit`."""
    if size > limit:
        raise FileTooLargeError(f"the file has {size:,} bytes, at most {limit:,} are allowed", size, limit)


def find_files(folder: str | PathLike[str], on_error: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    """Everything below `folder` except folders, in no order; folders behind links are not entered.

    What macOS adds to archives and foreign disks (`__MACOSX`, `._NAME`) is left out: it has the names of recordings
    and holds none. `on_error` is told of each folder that cannot be read, which is passed over.
    """
    for root, folders, names in os.walk(folder, onerror=on_error):
        folders[:] = [name for name in folders if name != "__MACOSX"]
        yield from (Path(root, name) for name in names if not name.startswith("._"))


def _read(file: Any, limit: int) -> bytes:
    data = bytearray()
    for block in _blocks(file, limit):
        data += block
    return bytes(data)


@contextmanager
def _copy(file: Any, limit: int) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as copy:
        for block in _blocks(file, limit):
            copy.write(block)
        copy.seek(0)
        yield copy


def _is_regular(file: Any) -> bool:
    """Whether it is a regular file that is open in binary mode, at its start."""
    if isinstance(file, io.TextIOBase):
        return False
    try:
        return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and not file.tell()
    except (OSError, AttributeError):  # it is not a file of the system
        return False


def _blocks(file: Any, limit: int) -> Iterator[bytes]:
    count = 0
    while count <= limit:
        block = file.read(min(BLOCK_BYTES, limit + 1 - count))
        if not isinstance(block, bytes):
            raise ValueError("the file must be opened in binary mode")
        if not block:
            return
        count += len(block)
        yield block
    raise FileTooLargeError(f"there are more than {limit:,} bytes, which is the most that is allowed", None, limit)


def _require_file_or_pipe(path: Path, mode: int) -> None:
    if stat.S_ISREG(mode) or stat.S_ISFIFO(mode):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    kind = "a socket" if stat.S_ISSOCK(mode) else "a device"
    raise OSError(errno.EINVAL, f"it is {kind}, not a file", str(path))
