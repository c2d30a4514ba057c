"""How the servers of `ser serve` and `ser predict --local` are ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from ser.serve import ServeError, serve, stop
from speech_emotion.children import Server
from tests.support.ports import free_port
from tests.support.waiting import ended, until

ROOT = Path(__file__).parents[2]
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open(sys.argv[1] + ".new", "w").write(str(worker.pid))
__import__("os").rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(300)
"""
"""An arbiter that does not end, and its worker."""
PLAIN = "import time; time.sleep(300)"


def test_a_second_interrupt_leaves_no_server_behind(tmp_path: Path) -> None:
    stubborn = Server([sys.executable, "-c", STUBBORN, str(tmp_path / "begun")], {})
    plain = Server([sys.executable, "-c", PLAIN], {})
    until(lambda: (tmp_path / "begun").exists())
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
    stop({"model server": plain, "gateway": stubborn})
    assert (stubborn.returncode, plain.returncode) == (-signal.SIGKILL, -signal.SIGTERM)
    until(lambda: ended(int((tmp_path / "begun").read_text())))


def test_every_server_is_ended_whatever_one_of_them_raises() -> None:
    class Broken:
        def end(self, _timeout_s: float) -> None:
            raise RuntimeError("no end")

    plain = [Server([sys.executable, "-c", PLAIN], {}) for _ in range(2)]
    with pytest.raises(RuntimeError, match="no end"):
        stop({"model server": plain[0], "broken": Broken(), "gateway": plain[1]})  # type: ignore[dict-item]
    assert [server.returncode for server in plain] == [-signal.SIGTERM] * 2


def test_what_has_ended_is_not_waited_for() -> None:
    gateway = Server([sys.executable, "-c", ""], {})
    gateway.wait()
    stop({"gateway": gateway})
    assert gateway.returncode == 0


@pytest.fixture
def ports() -> dict[str, Any]:
    return {name: free_port() for name in ("port", "probe_port", "model_server_port")}


class Away:
    """In the place of a server: it has ended before it was ready, and says how long it may take to end."""

    returncode = 1
    waited_s: list[float]

    def poll(self) -> int:
        return 1

    def end(self, timeout_s: float) -> None:
        self.waited_s.append(timeout_s)


def test_the_gateway_has_the_time_that_its_settings_give_it(
    monkeypatch: pytest.MonkeyPatch, ports: dict[str, Any], tmp_path: Path
) -> None:
    given: list[Mapping[str, str]] = []
    Away.waited_s = []

    def started(_command: list[str], settings: Mapping[str, str], _log: IO[bytes] | None = None) -> Away:
        given.append(settings)
        # What the environment is by then does not matter any more.
        monkeypatch.setenv("GATEWAY_GRACE_S", "none")
        return Away()

    monkeypatch.setattr("ser.serve.Server", started)
    monkeypatch.setenv("GATEWAY_GRACE_S", "70")
    monkeypatch.setenv("GATEWAY_DRAIN_S", "5")
    monkeypatch.setenv("GATEWAY_PROBE_PORT", str(ports["port"]))  # the command line says otherwise
    monkeypatch.setenv("GATEWAY_PORT", str(ports["probe_port"]))
    monkeypatch.setenv("GATEWAY_MODEL_SERVER_CA_FILE", str(tmp_path / "of-another-server"))
    with pytest.raises(ServeError, match="ended with exit code 1"):
        serve(ROOT / "models", **ports, sample=tmp_path)
    gateway_s, model_server_s = Away.waited_s
    assert gateway_s > 75 > model_server_s
    assert given[1]["GATEWAY_MODEL_SERVER_CA_FILE"] == ""


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("GATEWAY_GRACE_S", "none", "GATEWAY_GRACE_S: Input should be a valid integer"),
        ("GATEWAY_MAX_CONNECTIONS", "8", "GATEWAY_MAX_RECORDINGS is 5 and GATEWAY_MAX_CONNECTIONS is 8"),
        ("GATEWAY_CORS_ORIGINS", "nowhere", "GATEWAY_CORS_ORIGINS: "),
    ],
)
def test_a_setting_out_of_bounds_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, ports: dict[str, Any], tmp_path: Path, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv("GATEWAY_MAX_RECORDINGS", "5")
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("ser.serve.Server", None)
    with pytest.raises(ServeError, match=said):
        serve(ROOT / "models", **ports, sample=tmp_path)


def servers_of(process: int) -> list[int]:
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(pid) for pid in children if "model_server" in command_of(pid) or "gunicorn" in command_of(pid)]


def command_of(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


@contextmanager
def running(folder: Path, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command, whose messages go to `folder`/log and whose temporary files to `folder`/tmp."""
    (folder / "tmp").mkdir()
    environment = {**os.environ, **settings, "TMPDIR": str(folder / "tmp")}
    command = [sys.executable, "-m", "ser.main", *arguments]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("hang_ups")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_local_model_server_ends_with_the_command(tmp_path: Path, number: signal.Signals) -> None:
    os.mkfifo(tmp_path / "silent.wav")
    with running(tmp_path, "predict", "--local", str(tmp_path / "silent.wav")) as process:
        until(lambda: servers_of(process.pid))
        (server,) = servers_of(process.pid)
        time.sleep(1)
        process.send_signal(number)
        assert process.wait(60) == -number
        until(lambda: ended(server))
    if number != signal.SIGKILL:
        assert list((tmp_path / "tmp").iterdir()) == []
        assert (tmp_path / "log").read_text().strip() == "interrupted"


@pytest.mark.usefixtures("hang_ups")
def test_a_hang_up_ends_the_gateway_too(tmp_path: Path, ports: dict[str, Any]) -> None:
    options = [f"--{name.replace('_', '-')}={port}" for name, port in ports.items() if name != "probe_port"]
    sample = ["--sample", str(tmp_path / "sample.wav")]
    # A port that only the command line gives the gateway; and one that the environment gives to another setting.
    environment = {"GATEWAY_PORT": str(ports["probe_port"]), "GATEWAY_PROBE_PORT": str(ports["probe_port"])}
    with running(tmp_path, "serve", *options, *sample, **environment) as process:
        until(lambda: re.search("curl -F", (tmp_path / "log").read_text()) or process.poll() is not None, 240)
        servers = servers_of(process.pid)
        assert len(servers) == 2, (tmp_path / "log").read_text()
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGHUP)
        assert process.wait(120) == 0
        assert all(map(ended, servers))
    assert not list((tmp_path / "tmp").glob("speech-emotion-*"))
