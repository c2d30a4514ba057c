"""Peak resident memory of a process and its children, from the kernel (`VmHWM`)."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

SETTLED_KB = 256


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    while True:
        try:
            tasks = list(Path(f"/proc/{pid}/task").iterdir())
            children = [child for task in tasks for child in (task / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            if not Path(f"/proc/{pid}").exists():
                raise
            continue  # a thread ended meanwhile, and another has its children now
        return [pid, *(member for child in children for member in _family_of_child(int(child)))]


def _family_of_child(pid: int) -> list[int]:
    try:
        return family(pid)
    except (FileNotFoundError, ProcessLookupError):  # it has ended since it was found
        return []


class Peak:
    """Peak of each process above what it held when this was made; a process that came later counts whole.

    It is made once all have started, for which it waits: decoders begin to import when their gateway does not wait.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._idle = self._held()
        for _ in range(200):
            time.sleep(0.3)
            before, self._idle = self._idle, self._held()
            grown = sum(self._idle.values()) - sum(before.values())
            # One that is starting may get no CPU for a while: then it does not grow, but it does not sleep either.
            if before.keys() == self._idle.keys() and grown < SETTLED_KB and all(map(_sleeps, self._idle)):
                break
        self.reset()

    def _held(self) -> dict[int, int]:
        return {member: _kilobytes_of_member(member, "VmRSS") for member in family(self._pid)}

    def reset(self) -> None:
        """Forget the peaks so far, not what was held when idle: memory that a file left behind counts for the next."""
        for member in family(self._pid):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                Path(f"/proc/{member}/clear_refs").write_text("5")

    def above_idle_bytes(self) -> int:
        """The sum of the processes' own peaks: no less than the peak of their sum.

        Where memory is short, the kernel takes pages of files from a process that is idle: that is no one else's gain.
        """
        more = (_kilobytes_of_member(pid, "VmHWM") - self._idle.get(pid, 0) for pid in family(self._pid))
        return 1024 * sum(max(0, each) for each in more)


def resident_bytes(pid: int) -> int:
    """What the process holds right now."""
    return 1024 * _kilobytes(pid, "VmRSS")


def _sleeps(pid: int) -> bool:
    """Whether no thread of a process works or waits for a core or a disk."""
    try:
        stats = [(task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):  # a thread has ended
        return False
    return all(stat.rpartition(")")[2].split()[0] == "S" for stat in stats)


def _kilobytes_of_member(pid: int, field: str) -> int:
    try:
        return _kilobytes(pid, field)
    except (FileNotFoundError, ProcessLookupError, IndexError):  # it has ended; a zombie has no memory
        return 0


def _kilobytes(pid: int, field: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0])
