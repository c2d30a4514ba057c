"""How the servers of `ser serve` are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ser.serve import stop
from tests.support.waiting import until

STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open(sys.argv[1] + ".new", "w").write(str(worker.pid))
__import__("os").rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(300)
"""
"""An arbiter that does not end, and its worker."""


def ended(pid: int) -> bool:
    """Whether a process that is not a child of this one is gone, or a zombie that nobody has waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_second_interrupt_leaves_no_server_behind(tmp_path: Path) -> None:
    stubborn = subprocess.Popen([sys.executable, "-c", STUBBORN, str(tmp_path / "begun")], start_new_session=True)
    plain = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"], start_new_session=True)
    until(lambda: (tmp_path / "begun").exists())
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    stop({"model server": plain, "gateway": stubborn})
    assert (stubborn.returncode, plain.returncode) == (-signal.SIGKILL, -signal.SIGTERM)
    until(lambda: ended(int((tmp_path / "begun").read_text())))


def test_the_gateway_has_the_time_that_its_settings_give_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_GRACE_S", "70")
    monkeypatch.setenv("GATEWAY_DRAIN_S", "5")
    waited: list[float] = []

    class Waits:
        def poll(self) -> None: ...

        def terminate(self) -> None: ...

        def wait(self, timeout_s: float) -> None:
            waited.append(timeout_s)

    stop({"model server": Waits(), "gateway": Waits()})  # type: ignore[dict-item]
    gateway_s, model_server_s = waited
    assert gateway_s > 75 > model_server_s


def test_what_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "none")  # the gateway has ended because of it
    gateway = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    gateway.wait()
    stop({"gateway": gateway})
    assert gateway.returncode == 0
