"""Servers that this process starts, and that must not outlive it however it ends."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import IO


class Ended(KeyboardInterrupt):
    """SIGTERM or SIGHUP came. As with Ctrl-C, whoever has something to end does so while this passes by."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def ending_in_order() -> Iterator[None]:
    """While the block runs, the first SIGTERM or SIGHUP raises Ended in it, and those after it change nothing.

    A signal that is ignored (`nohup`) or handled already stays so. Only the main thread can do this; in any other one
    nothing changes.
    """
    come = False

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal come
        # `timeout` and a closed terminal send theirs twice: the second must not break off what the first began.
        if not come:
            come = True
            raise Ended(number)

    in_main = threading.current_thread() is threading.main_thread()
    ours = [each for each in (signal.SIGTERM, signal.SIGHUP) if in_main and signal.getsignal(each) == signal.SIG_DFL]
    try:
        for number in ours:
            signal.signal(number, end)
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


class Server(subprocess.Popen[bytes]):
    """A server in a session of its own: Ctrl-C reaches this process alone, which then ends its servers in order.

    If this process is killed, the server gets a SIGTERM (on Linux).
    """

    def __init__(self, command: Sequence[str], settings: Mapping[str, str], log: IO[bytes] | None = None) -> None:
        """With this environment and `settings`; messages go to `log`, or to where this process's go. Raises OSError."""
        reading, self._tie = os.pipe()
        environment = {**os.environ, **settings}
        try:
            super().__init__(command, stdin=reading, stdout=log, stderr=log, env=environment, start_new_session=True)
            _sigterm_at_end_of(reading, self.pid)
        except BaseException:
            if getattr(self, "pid", None):  # a signal came just after the fork
                self.kill()
                self.wait()
            os.close(self._tie)
            raise
        finally:
            os.close(reading)

    def end(self, timeout_s: float) -> None:
        """Send SIGTERM, wait, and kill it with its workers if that takes longer, or whoever waits presses Ctrl-C.

        Call it once: it closes the pipe that ties the server to this process.
        """
        try:
            if self.poll() is None:
                self.terminate()
                self.wait(timeout_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            os.killpg(self.pid, signal.SIGKILL)
            self.wait()
        finally:
            os.close(self._tie)


def _sigterm_at_end_of(pipe: int, pid: int) -> None:
    """Have the kernel send SIGTERM to `pid`, which holds the pipe's reading end, once its writing end is closed."""
    # Not PR_SET_PDEATHSIG: that comes already when the thread that started the process ends.
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(pipe, fcntl.F_SETOWN, pid)
        fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGTERM)
        fcntl.fcntl(pipe, fcntl.F_SETFL, fcntl.fcntl(pipe, fcntl.F_GETFL) | os.O_ASYNC)
