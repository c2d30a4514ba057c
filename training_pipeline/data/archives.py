"""ZIP archives that were downloaded, and may be damaged."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training_pipeline.errors import DataError

_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
"""What the standard library raises for bytes that are no ZIP archive, or for a method that it does not know."""


@contextmanager
def unpacking(archive: Path) -> Iterator[None]:
    """A block that unpacks `archive`. A damaged one is deleted, as it would be found again by every further attempt.

    Raises DataError, which says so; also, without deleting it, if the disk fails.
    """
    try:
        yield
    except _DAMAGED as error:
        archive.unlink()
        raise DataError(f"{archive} cannot be unpacked and was deleted, fetch it again: {error}") from error
    except OSError as error:
        raise DataError(f"{archive} cannot be unpacked: {error}") from error
