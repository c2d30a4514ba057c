"""Where the bodies of recordings lie until they are answered: in files without a name, bounded together."""

from __future__ import annotations

import errno
import logging
import os
import tempfile
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from preprocess_gateway.errors import OverloadedError
from preprocess_gateway.quotas import Quota

log = logging.getLogger(__name__)
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Spool:
    """A temporary folder, of which all recordings together take a bounded number of bytes."""

    def __init__(self, folder: Path | None, room: Quota) -> None:
        """Without `folder` it is the system's own for temporary files."""
        self._folder = folder or Path(tempfile.gettempdir())
        self._room = room

    @property
    def used_bytes(self) -> int:
        """What is reserved now."""
        return self._room.taken

    def reserve(self, more_bytes: int) -> None:
        """Count bytes that a recording takes, or with a negative number no longer takes. Raises OverloadedError."""
        if more_bytes <= 0:
            self._room.give(-more_bytes)
        elif not self._room.take(more_bytes):
            raise OverloadedError(
                "There is no room for the recording now: others are being received and answered", reason="spool"
            )

    def open(self) -> tuple[BinaryIO, BinaryIO]:
        """A new file to write, and the same to read; it has no name any more, so that nothing of it outlives its use.

        The second cannot write: it is what a decoder process gets. Raises OSError.
        """
        number, name = tempfile.mkstemp(prefix="recording-", dir=self._folder)
        writer = os.fdopen(number, "wb", buffering=0)
        try:
            return writer, Path(name).open("rb", buffering=0)
        except OSError:
            writer.close()
            raise
        finally:
            Path(name).unlink()


class SpooledBody:
    """A body as it arrives: in memory while it is small, in a file of the spool from then on."""

    def __init__(self, spool: Spool, memory_bytes: int, expected_bytes: int = 0) -> None:
        """A body of `expected_bytes` has its room in the spool from the beginning. Raises OverloadedError."""
        self.memory = BytesIO()
        self._spool = spool
        self._memory_bytes = memory_bytes
        self._files: tuple[BinaryIO, BinaryIO] | None = None
        self._size = 0
        self._reserved_bytes = 0
        if expected_bytes > memory_bytes:
            self._reserve(expected_bytes)

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next bytes. Raises OverloadedError if there is no room for them."""
        self._size += len(piece)
        if self._files is None and self._size <= self._memory_bytes:
            self.memory.write(piece)
            return
        self._reserve(self._size)
        try:
            if self._files is None:
                self._files = self._spool.open()
                _write(self._files[0], self.memory.getbuffer())
                self.memory = BytesIO()
            _write(self._files[0], memoryview(piece))
        except OSError as error:
            log.error("the folder for recordings cannot take one: %s", error.strerror or error)
            why = "the disk is full" if error.errno in FULL else "its folder cannot be written to"
            raise OverloadedError(f"There is no room for the recording now: {why}", reason="spool") from error

    def finish(self) -> bytes | BinaryIO:
        """The whole body, or a file of it that can only be read; it is open until `close`."""
        return self._files[1] if self._files else self.memory.getvalue()

    def close(self) -> None:
        """Give back file and room."""
        for file in self._files or ():
            file.close()
        self._spool.reserve(-self._reserved_bytes)
        self._files, self._reserved_bytes = None, 0

    def _reserve(self, size: int) -> None:
        if size > self._reserved_bytes:
            self._spool.reserve(size - self._reserved_bytes)
            self._reserved_bytes = size


def _write(file: BinaryIO, piece: memoryview) -> None:
    """All of it: a disk that becomes full takes a part."""
    while piece:
        piece = piece[file.write(piece) :]
