"""CPU time and memory of all processes of a service on Linux, found by a variable in their environment.

A service is started with `tagged(TAG)`; whatever it starts inherits the variable, daemons too. Tags are a run's own, so
that two runs do not meet; processes that a run starts without a tag, such as a load, belong to the same run.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "BENCHMARK_SERVICE"
RUN = os.environ.setdefault("BENCHMARK_RUN", str(os.getpid()))
TAGS = ("gateway", "model-server", "peer")
"""Of the services that a benchmark starts."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@contextmanager
def tagged(tag: str) -> Iterator[None]:
    """Processes that are started meanwhile have this tag."""
    os.environ[VARIABLE] = f"{RUN}:{tag}"
    try:
        yield
    finally:
        del os.environ[VARIABLE]


def members(tag: str) -> list[int]:
    """Processes with this tag, but for this one."""
    wanted = f"{VARIABLE}={RUN}:{tag}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:  # ended meanwhile, or another user's
            continue
        if wanted in environment.split(b"\0"):
            found.append(int(folder.name))
    return found


def cpu_s(tag: str) -> float:
    """User and system time of the processes with this tag and of their children that have ended, in seconds."""
    return sum(cpu_s_of(pid) for pid in members(tag))


def cpu_s_of(pid: int) -> float:
    """Of one process and its children that have ended; 0 if it has ended itself."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS_PER_S


@dataclass(frozen=True)
class Memory:
    """What processes hold, in bytes: alone, and shared with others (counted once: its proportional share)."""

    private: int
    shared: int


def memory(*tags: str) -> Memory:
    """Of all processes with these tags."""
    private = shared = 0
    for pid in [pid for tag in tags for pid in members(tag)]:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
        except OSError:
            continue
        named = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        alone = named["Private_Clean"] + named["Private_Dirty"]
        private += alone
        shared += named["Pss"] - alone
    return Memory(1024 * private, 1024 * shared)


def end(tag: str, within_s: float = 10.0) -> None:
    """SIGKILL to all processes with this tag, until none is left: a service that was measured has nothing to finish.

    Raises TimeoutError if one cannot be ended.
    """
    until = time.monotonic() + within_s
    while found := members(tag):
        if time.monotonic() > until:
            raise TimeoutError(f"processes {found} do not end")
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
