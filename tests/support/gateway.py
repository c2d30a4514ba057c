"""A real gunicorn with the gateway, as a context manager."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import requests

from speech_emotion.listening import host_port, listening_host, reachable_host
from tests.support.ports import free_port, listeners
from tests.support.waiting import until

CONFIG = "preprocess_gateway.process.gunicorn_conf"
COMMAND = ["-m", "gunicorn", "-c", f"python:{CONFIG}"]

PATIENT = {"deadline_s": 60, "window_deadline_s": 60}
"""Deadlines that a machine which does much else meets; a test that is about one sets it."""


class Gateway:
    """The gateway on free ports, run by the command `prefix`; further settings by name without their prefix.

    `config` is another module of gunicorn's configuration.
    """

    def __init__(
        self,
        model_server: str,
        *,
        wait_s: float = 180.0,
        prefix: Sequence[str] = (),
        config: str = CONFIG,
        **settings: object,
    ) -> None:
        self.port, self.probe_port = free_port(), free_port()
        host = reachable_host(listening_host(str(settings.get("host", "127.0.0.1"))))
        self.url = f"http://{host_port(host, self.port)}"
        self.probes = f"http://{host_port(host, self.probe_port)}"
        named = {
            "model_server": model_server,
            "port": self.port,
            "probe_port": self.probe_port,
            "drain_s": 0,
            "workers": 1,
            **PATIENT,
            **settings,
        }
        self._environment = {**os.environ, **{f"GATEWAY_{name.upper()}": str(value) for name, value in named.items()}}
        self._workers = int(str(named["workers"]))
        self._command = [*prefix, sys.executable, *COMMAND[:-1], f"python:{config}"]
        self._wait_s = wait_s
        self.log_path = Path(tempfile.mkstemp(prefix="gateway.", suffix=".log")[1])
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> Self:
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        if wait:
            self.wait_for(200)  # one worker knows the model
            until(lambda: self.probed == self._workers)
        return self

    def wait_for(self, status: int) -> None:
        """Wait until `/readyz` answers with this status."""
        deadline = time.monotonic() + self._wait_s
        while time.monotonic() < deadline and self.process and self.process.poll() is None:
            try:
                if requests.get(f"{self.probes}/readyz", timeout=10).status_code == status:
                    return
            except (requests.ConnectionError, requests.Timeout):  # not there yet, or a machine that is busy
                pass
            time.sleep(0.1)
        raise AssertionError(f"/readyz never answered {status}:\n{self.log}")

    @property
    def probed(self) -> int:
        """How many workers answer probes; each of them drains on SIGTERM."""
        assert self.process
        return listeners(self.probe_port, self.process.pid)

    @property
    def log(self) -> str:
        """What gunicorn printed so far."""
        return self.log_path.read_text(errors="replace")

    @property
    def workers(self) -> list[int]:
        """The processes that answer, without the one that forked them."""
        assert self.process
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def predict(self, data: bytes) -> requests.Response:
        """Post a clip as multipart."""
        return requests.post(f"{self.url}/predict", files={"file": ("clip", data)}, timeout=30)

    def seconds_until_version(self, version: int, clip: bytes, within_s: float = 120.0) -> float:
        """How long it takes until this version answers."""
        begun = time.monotonic()
        while time.monotonic() - begun < within_s:
            response = self.predict(clip)
            assert response.status_code == 200, response.text
            if response.json()["model"]["version"] == version:
                return time.monotonic() - begun
            time.sleep(0.05)
        raise AssertionError(f"version {version} never answered")

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log_path.unlink(missing_ok=True)
        return self.process.returncode

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()
