"""A file's bytes as readers ask for them: nothing is read before, and nothing is copied to put a header right."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Self, cast

PIECE_BYTES = 65_536


@dataclass(frozen=True)
class View:
    """The bytes from `begin` to `end` of something that can be read anywhere, some of them replaced.

    It has what is needed of `bytes`: its length, slices, and `find`. As files are opened by strangers' claims, a slice
    must be bounded by its reader: it is in memory as a whole.
    """

    read_at: Callable[[int, int], bytes]
    """Bytes from a place on, at most as many as asked for, fewer only at the end."""
    begin: int
    end: int
    fields: tuple[tuple[int, bytes], ...] = ()
    """What is put over the bytes at a place, counted as `begin` is."""

    @classmethod
    def of(cls, source: bytes | bytearray | BinaryIO) -> Self:
        """Bytes in memory, or a file that is open: by its descriptor, whose own position stays as it is."""
        if isinstance(source, bytes | bytearray):
            whole = memoryview(source)
            return cls(lambda at, count: bytes(whole[at : at + count]), 0, len(source))
        return cls.of_descriptor(source.fileno())

    @classmethod
    def of_descriptor(cls, number: int) -> Self:
        """An open file, which must be a regular one. Raises OSError."""
        # Not by `fstat`, for which the C library makes another system call, which a confined process may not.
        here, end = os.lseek(number, 0, os.SEEK_CUR), os.lseek(number, 0, os.SEEK_END)
        os.lseek(number, here, os.SEEK_SET)
        return cls(lambda at, count: os.pread(number, count, at), 0, end)

    def __len__(self) -> int:
        return self.end - self.begin

    def __getitem__(self, part: slice) -> bytes:
        """The bytes of a slice without a step, as `bytes` has them."""
        first, last, _ = part.indices(len(self))
        first, last = self.begin + first, self.begin + max(first, last)
        data = self.read_at(first, last - first)
        for at, field in self.fields:
            if at < last and at + len(field) > first:
                changed = bytearray(data)
                low, high = max(at, first), min(at + len(field), first + len(data))
                changed[low - first : high - first] = field[low - at : max(low, high) - at]
                data = bytes(changed)
        return data

    def part(self, begin: int, end: int) -> View:
        """What lies between two places."""
        end = self.begin + min(end, len(self))
        return replace(self, begin=min(self.begin + begin, end), end=end)

    def put(self, at: int, field: bytes) -> View:
        """The same with other bytes at a place, as far as there are bytes."""
        return replace(self, fields=(*self.fields, (self.begin + at, field)))

    def find(self, what: bytes) -> int:
        """Where `what` is first, -1 if it is nowhere; the whole file may be read for it, piece by piece."""
        for at in range(0, len(self), PIECE_BYTES):
            if (found := self[at : at + PIECE_BYTES + len(what) - 1].find(what)) >= 0:
                return at + found
        return -1

    def zeros(self, at: int) -> int:
        """Where the zeros end that begin at a place."""
        while piece := self[at : at + PIECE_BYTES]:
            rest = piece.lstrip(b"\0")
            at += len(piece) - len(rest)
            if rest:
                break
        return at

    def file(self) -> BinaryIO:
        """The view as a file, which the libraries read and seek."""
        return cast(BinaryIO, _File(self))


class _File(io.RawIOBase):
    def __init__(self, view: View) -> None:
        self._view, self._at = view, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        origin = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._view)}[whence]
        if origin + offset < 0:
            raise ValueError("a position before the start of the file")
        self._at = origin + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        data = self._view[self._at : len(self._view) if size < 0 else self._at + size]
        self._at += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)
