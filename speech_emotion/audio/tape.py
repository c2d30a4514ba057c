"""The latest part of an array that goes on and on."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

Scalar = TypeVar("Scalar", bound=np.generic)


class Tape(Generic[Scalar]):
    """Rows that are added at the end, forgotten at the start, and numbered from the first one that ever came.

    Memory is at most twice what is kept, and each row is moved a bounded number of times, however few are added at
    once. What `tape[first:last]` gives is a view, which holds until rows are added.
    """

    def __init__(self, row: tuple[int, ...], dtype: type[Scalar]) -> None:
        """Without rows, each of the shape `row`."""
        self._rows = np.empty((0, *row), dtype)
        self._origin = 0
        self.start = 0
        """Number of the first row that is kept."""
        self.end = 0
        """Number of rows that ever came."""

    def __getitem__(self, rows: slice) -> npt.NDArray[Scalar]:
        first, last = max(self.start, rows.start), min(self.end, rows.stop)
        return self._rows[first - self._origin : max(first, last) - self._origin]

    def append(self, rows: npt.NDArray[Scalar]) -> None:
        """Add `rows` at the end."""
        self.extend(len(rows))[:] = rows

    def extend(self, rows: int) -> npt.NDArray[Scalar]:
        """Add this number of rows at the end and return them for the caller to fill."""
        end = self.end + rows
        if end - self._origin > len(self._rows):
            kept = self[self.start : self.end]
            self._rows = np.empty((2 * (end - self.start), *self._rows.shape[1:]), self._rows.dtype)
            self._rows[: len(kept)] = kept
            self._origin = self.start
        added = self._rows[self.end - self._origin : end - self._origin]
        self.end = end
        return added

    def forget(self, before: int) -> None:
        """Keep no row before the one of this number; what lies beyond the end is never kept at all."""
        self.start = max(self.start, before)
        if self.start > self.end:
            self._origin = self.end = self.start
