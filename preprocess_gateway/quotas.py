"""What each worker has taken of the gateway's limits, and its state, in memory that the workers share."""

from __future__ import annotations

import fcntl
import os
import tempfile
import threading
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path
from typing import Final

NAMES: Final = ("places", "held_bytes", "recordings", "spooled_bytes", "streams")
GROUPS: Final = 1024  # of clients, by their address
STATES: Final = ("models", "ready", "connections")
WIDTH: Final = len(NAMES) + GROUPS + len(STATES)
CELL_BYTES: Final = 8


class Ledger:
    """A row for each worker, with what it has taken of each limit, and its state. Make it before the fork.

    When the row of a killed worker is released, what it had taken is given back, and its state is 0. The workers lock a
    file; the kernel releases the lock of a process that ends, however it ends.

    Only who takes locks it, so that what all have taken cannot grow between the sum and its own part. Each gives back
    in its own row; one that takes at the same moment sees that, or still counts it.
    """

    def __init__(self, rows: int = 1) -> None:
        self._file, name = tempfile.mkstemp(prefix="gateway-quotas-")
        Path(name).unlink()
        weakref.finalize(self, os.close, self._file)
        # Not in the file: on a full disk, a worker that writes to a page without room there is killed.
        self._cells = memoryview(mmap(-1, rows * WIDTH * CELL_BYTES)).cast("q")
        self._takers = threading.Lock()
        self._own = threading.Lock()
        self._free = list(reversed(range(rows)))
        self.row = 0
        """The row of this process."""

    def quota(self, name: str, limit: int) -> Quota:
        """One of the limits `NAMES`."""
        return Quota(self, NAMES.index(name), limit)

    def quota_of(self, client: str, limit: int) -> Quota:
        """A limit for each client. A hash sorts clients into `GROUPS` groups, so that two active ones rarely share."""
        return Quota(self, len(NAMES) + zlib.crc32(client.encode()) % GROUPS, limit)

    def claim(self) -> int:
        """A free row for a new worker, for the process that forks. Raises IndexError if no row is free."""
        return self._free.pop()

    def release(self, row: int) -> None:
        """The worker of this row has ended: give back what it had taken."""
        with self.locked():
            self._cells[row * WIDTH : (row + 1) * WIDTH] = memoryview(bytes(WIDTH * CELL_BYTES)).cast("q")
        self._free.append(row)

    def taken(self, column: int) -> int:
        """What all workers have taken of a limit."""
        return sum(self._cells[column::WIDTH])

    def add(self, column: int, amount: int) -> None:
        """Add to what this worker has taken; a negative amount gives back."""
        with self._own:
            self._cells[self.row * WIDTH + column] += amount

    def tell(self, state: str, value: int) -> None:
        """Set one of `STATES` of this worker."""
        self._cells[self.row * WIDTH + len(NAMES) + GROUPS + STATES.index(state)] = value

    def most(self, state: str) -> int:
        """The highest value of a state over all workers; 0 for a worker that has told none."""
        return max(self._cells[len(NAMES) + GROUPS + STATES.index(state) :: WIDTH])

    def least(self, state: str) -> int:
        """The lowest value of a state over the workers that have told one other than 0; 0 if none has."""
        values = self._cells[len(NAMES) + GROUPS + STATES.index(state) :: WIDTH]
        return min(filter(None, values), default=0)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """No other thread and no other worker takes while the block runs."""
        with self._takers:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


class Quota:
    """One limit of all workers together."""

    def __init__(self, ledger: Ledger, column: int, limit: int) -> None:
        self.limit = limit
        self._ledger = ledger
        self._column = column

    @property
    def taken(self) -> int:
        """What all workers have taken."""
        return self._ledger.taken(self._column)

    def take(self, amount: int = 1) -> bool:
        """Take this amount if as much is left; returns whether it was."""
        with self._ledger.locked():
            if self._ledger.taken(self._column) + amount > self.limit:
                return False
            self._ledger.add(self._column, amount)
        return True

    def give(self, amount: int = 1) -> None:
        """Give back what was taken."""
        self._ledger.add(self._column, -amount)
