"""Peak resident memory of a process and its children, from the kernel (`VmHWM`)."""

from __future__ import annotations

import time
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
        return [pid, *(member for child in children for member in family(int(child)))]


class Peak:
    """Peak of each process above what it held when this was made; a process that came later counts whole.

    It is made once all have started, for which it waits: decoders begin to import when their gateway does not wait.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._idle = self._held()
        for _ in range(60):
            time.sleep(0.3)
            before, self._idle = self._idle, self._held()
            grown = sum(self._idle.values()) - sum(before.values())
            if before.keys() == self._idle.keys() and grown < SETTLED_KB:
                break
        self.reset()

    def _held(self) -> dict[int, int]:
        return {member: _kilobytes(member, "VmRSS") for member in family(self._pid)}

    def reset(self) -> None:
        """Forget the peaks so far, not what was held when idle: memory that a file left behind counts for the next."""
        for member in family(self._pid):
            Path(f"/proc/{member}/clear_refs").write_text("5")

    def above_idle_bytes(self) -> int:
        """The sum of the processes' own peaks: no less than the peak of their sum."""
        more = (_kilobytes(pid, "VmHWM") - self._idle.get(pid, 0) for pid in family(self._pid))
        return 1024 * sum(more)


def resident_bytes(pid: int) -> int:
    """What the process holds right now."""
    return 1024 * _kilobytes(pid, "VmRSS")


def _kilobytes(pid: int, field: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0])
