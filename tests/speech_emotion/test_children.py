"""What a process started does not outlive it, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from speech_emotion.children import Ended, Server, ending_in_order
from tests.support.waiting import ended, until

CHILD = """
import pathlib, signal, sys, time
def end(*_):
    time.sleep(0.5)
    pathlib.Path("in order").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path("started").touch()
time.sleep(300)
"""
PARENT = f"""
import pathlib, sys, tempfile, time
from speech_emotion.children import Server, ending_in_order
with ending_in_order(), tempfile.TemporaryDirectory(dir=".", prefix="folder-"):
    server = Server([sys.executable, "-c", {CHILD!r}], {{}})
    try:
        pathlib.Path("pid.new").write_text(str(server.pid))
        pathlib.Path("pid.new").rename("pid")
        time.sleep(300)
    finally:
        server.end(30)
"""
SLEEP = [sys.executable, "-c", "import time; time.sleep(300)"]


@contextmanager
def parent(folder: Path, program: str = PARENT, *before: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process, and the pid of the server that it has started, which handles signals by now."""
    process = subprocess.Popen([*before, sys.executable, "-c", program], cwd=folder, env=environment())
    try:
        until(lambda: (folder / "pid").exists() and (folder / "started").exists())
        yield process, int((folder / "pid").read_text())
    finally:
        process.kill()
        process.wait()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.usefixtures("hang_ups")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_server_and_leaves_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    with parent(tmp_path) as (process, server):
        process.send_signal(number)
        time.sleep(0.1)
        if number != signal.SIGINT:
            process.send_signal(number)  # as `timeout` and a closed terminal do
        assert process.wait(60) != 0
        assert ended(server)
    assert (tmp_path / "in order").exists()
    assert not list(tmp_path.glob("folder-*"))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the server")
def test_a_server_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    with parent(tmp_path) as (process, server):
        assert not ended(server)
        process.kill()
        until(lambda: ended(server))
    assert (tmp_path / "in order").exists()


def test_an_ignored_hang_up_stays_ignored(tmp_path: Path) -> None:
    with parent(tmp_path, PARENT, "nohup") as (process, server):
        process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert ended(server)


def raised_by_the_kernel() -> None:
    assert signal.getsignal(signal.SIGHUP) is signal.default_int_handler
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


def test_handlers_are_as_before_once_the_block_has_ended() -> None:
    before = signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        with pytest.raises(Ended, match="SIGTERM") as raised, ending_in_order(), ending_in_order():
            raised_by_the_kernel()
        assert raised.value.number == signal.SIGTERM
        assert signal.getsignal(signal.SIGHUP) is signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_another_thread_has_its_server_without_signals_and_beyond_its_own_end() -> None:
    servers: list[Server] = []

    def start() -> None:
        with ending_in_order():
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
            servers.append(Server(SLEEP, {}))

    (thread := threading.Thread(target=start)).start()
    thread.join()
    (server,) = servers
    time.sleep(0.2)
    assert server.poll() is None
    server.end(30)
    assert server.returncode == -signal.SIGTERM


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_server_that_cannot_be_started_or_has_ended_leaves_nothing_open(tmp_path: Path) -> None:
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        Server([str(tmp_path / "none")], {})
    server = Server([sys.executable, "-c", "import os; assert os.environ['A'] == 'b'"], {"A": "b"})
    assert server.wait(60) == 0
    server.end(0)
    assert descriptors() == before


def test_a_signal_between_fork_and_return_leaves_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def interrupted(_pipe: int, pid: int) -> None:
        started.append(pid)
        raise KeyboardInterrupt

    monkeypatch.setattr("speech_emotion.children._sigterm_at_end_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Server(SLEEP, {})
    assert ended(started[0])
