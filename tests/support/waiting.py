"""How tests wait for what other threads and processes do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

WITHIN_S = 120.0
"""Long enough for a machine that does much else; no test is about this bound."""


def until(happens: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Wait until this is true, and fail the test if it never is."""
    deadline = time.monotonic() + within_s
    while not happens():
        assert time.monotonic() < deadline, "what the test waits for did not happen"
        time.sleep(0.05)


def stop(pid: int) -> None:
    """Stop a process. Until it stands still, it takes other signals first that came later."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: "State:\tT" in Path(f"/proc/{pid}/status").read_text())


def ended(pid: int) -> bool:
    """Whether a process that is not a child of this one is gone, or a zombie that nobody has waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
