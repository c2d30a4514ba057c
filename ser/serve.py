"""`ser serve`: a model server and a gateway on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from speech_emotion.errors import StoreError
from speech_emotion.store.config import read_config, write_config
from speech_emotion.store.names import checked_name

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0


class ServeError(Exception):
    """Serving cannot start or did not go on; the message says what to do."""


def serve(
    store: Path, *, models: Sequence[str] = (), port: int, probe_port: int, model_server_port: int, sample: Path
) -> None:
    """Serve `models` of the store (all, if none is named) on loopback, and return after SIGINT or SIGTERM.

    The first model is the one that `/predict` asks. Raises ServeError if a port is busy, the store has no
    configuration or not these models, or a process ends by itself.
    """
    _require_free(port, "GATEWAY_PORT")
    _require_free(probe_port, "GATEWAY_PROBE_PORT")
    _require_free(model_server_port, "MODEL_SERVER_PORT")
    if not (store / "models.config").is_file():
        raise ServeError(f"{store} is not a model store: it has no models.config")
    signal.signal(signal.SIGTERM, _interrupt)
    processes: dict[str, subprocess.Popen[bytes]] = {}
    with tempfile.TemporaryDirectory(prefix="speech-emotion-") as folder:
        mirror = ConfigMirror(store, Path(folder) / "models.config", models)
        try:
            processes["model server"] = start_model_server(model_server_port, mirror.target)
            wait_listening(model_server_port, processes)
            processes["gateway"] = _start_gateway(port, probe_port, model_server_port, mirror.models)
            _wait_ready(probe_port, processes)
            print(_greeting(port, probe_port, sample), flush=True)  # noqa: T201
            _watch(processes, mirror)
        except KeyboardInterrupt:
            print("\nstopping", flush=True)  # noqa: T201
        finally:
            stop(processes)


class ConfigMirror:
    """A store's models.config with base paths on this machine, kept up to date.

    A store's `base_path`s are those at which servers in a cluster mount it. Raises ServeError if the configuration
    cannot be read at first, or lacks a model that is asked for.
    """

    models: tuple[str, ...]
    """The models in the copy: those asked for, else all in the order of the configuration."""

    def __init__(self, store: Path, target: Path, models: Sequence[str] = ()) -> None:
        self._only = tuple(models)
        self.source = store / "models.config"
        self.store = store.resolve()
        self.target = target
        self._seen = 0
        self.refresh()

    def refresh(self) -> None:
        """Rewrite the copy if the store's configuration has changed."""
        changed = self.source.stat().st_mtime_ns
        if changed == self._seen:
            return
        try:
            config = read_config(self.source)
            for model in config.model_config_list.config:
                checked_name(model.name)
        except StoreError as error:
            # As a model server does: what cannot be read leaves the configuration as it was.
            if not self._seen:
                raise ServeError(str(error)) from error
            print(f"{self.source} is passed over: {error}", flush=True)  # noqa: T201
            self._seen = changed
            return
        named = {model.name: model for model in config.model_config_list.config}
        if not self._seen:
            self.models = self._only or tuple(named)
            if not self.models:
                raise ServeError(f"{self.source} names no model: publish one with `ser models publish`")
            if absent := [name for name in self.models if name not in named]:
                raise ServeError(f"{self.source} names no model {', '.join(absent)}. It names {', '.join(named)}")
        del config.model_config_list.config[:]
        for name in self._only or named:
            if name in named:
                config.model_config_list.config.add().CopyFrom(named[name])
                config.model_config_list.config[-1].base_path = str(self.store / name)
        write_config(self.target, config)
        self._seen = changed


def _require_free(port: int, setting: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ServeError(f"port {port} is busy: set {setting} to a free one") from error


def start_model_server(port: int, config: Path, log: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """A model server on loopback; its messages go to `log`, or to where this process's go."""
    command = [
        sys.executable,
        "-m",
        "model_server",
        f"--port={port}",
        f"--model_config_file={config}",
        "--model_config_file_poll_wait_seconds=1",
        "--file_system_poll_wait_seconds=1",
        "--allow_version_labels_for_unavailable_models=true",
        # The port opens once every version is served or given up: a broken one must not keep it shut for minutes.
        "--max_num_load_retries=1",
        "--load_retry_interval_micros=1000000",
    ]
    return _start(command, {}, log)


def _start_gateway(
    port: int, probe_port: int, model_server_port: int, models: Sequence[str]
) -> subprocess.Popen[bytes]:
    gunicorn = "-m gunicorn -c python:preprocess_gateway.process.gunicorn_conf"
    settings = {
        "GATEWAY_PORT": str(port),
        "GATEWAY_PROBE_PORT": str(probe_port),
        "GATEWAY_MODEL_SERVER": f"127.0.0.1:{model_server_port}",
        "GATEWAY_LOG_FORMAT": "text",
    }
    if not os.environ.keys() & {"GATEWAY_MODEL_NAME", "GATEWAY_MODEL_NAMES"}:
        settings["GATEWAY_MODEL_NAMES"] = ",".join(models)
    return _start([sys.executable, *gunicorn.split()], settings)


def _start(command: list[str], settings: dict[str, str], log: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C reaches this process alone, which then stops both in order.
    environment = {**os.environ, **settings}
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)  # noqa: S603


def wait_listening(port: int, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """Wait for the model server. Raises ServeError if it ends, or takes longer than START_TIMEOUT_S."""
    # The gateway would wait by itself, but warn of it: nobody's first sight should be a warning.
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        _check_alive(processes)
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise ServeError(f"the model server did not listen within {START_TIMEOUT_S:.0f} s")


def _wait_ready(probe_port: int, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        _check_alive(processes)
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{probe_port}/readyz", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise ServeError(f"the gateway was not ready within {START_TIMEOUT_S:.0f} s")


def _watch(processes: dict[str, subprocess.Popen[bytes]], mirror: ConfigMirror) -> None:
    while True:
        time.sleep(1)
        _check_alive(processes)
        mirror.refresh()


def _check_alive(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise ServeError(f"the {name} ended with exit code {process.returncode}: its messages are above")


def stop(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    """End the processes, last started first."""
    # The gateway first, so that what it has in flight is still answered.
    for process in reversed(processes.values()):
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _greeting(port: int, probe_port: int, sample: Path) -> str:
    return f"""
Ready. A request and its answer:

  curl -F file=@{sample} http://127.0.0.1:{port}/predict

Probes and metrics: http://127.0.0.1:{probe_port}/metrics
Stop with Ctrl-C."""


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
