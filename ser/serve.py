"""`ser serve`: a model server and a gateway on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from ser.clips import UsageError
from ser.gateway_settings import service_settings
from speech_emotion.children import Server, ending_in_order
from speech_emotion.errors import StoreError
from speech_emotion.listening import PORT_ERRORS, host_port, listening_host, open_listener, reachable_host
from speech_emotion.store.config import read_config, write_config
from speech_emotion.store.names import checked_name

LOOPBACK: Final = "127.0.0.1"
HOST_VARIABLE: Final = "MODEL_SERVER_HOST"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 15.0
AWAY: Final = -1
"""In the place of the time of change of a configuration that is not there."""
GATEWAY: Final = "gateway"


class ServeError(Exception):
    """Serving cannot start or did not go on; the message says what to do."""


def serve(
    store: Path, *, models: Sequence[str] = (), port: int, probe_port: int, model_server_port: int, sample: Path
) -> None:
    """Serve `models` of the store (all, if none is named), and return after SIGINT, SIGTERM or SIGHUP.

    Both listen on loopback unless GATEWAY_HOST or MODEL_SERVER_HOST says otherwise. The first model is the one that
    `/predict` asks. Raises ServeError if a port is busy, an address is not of this machine, the store has no
    configuration or not these models, a setting of the gateway is out of bounds, or a process ends by itself.
    """
    hosts = Hosts.of_environment()
    _require_free(hosts.gateway, port, "GATEWAY_PORT", "GATEWAY_HOST")
    _require_free(hosts.gateway, probe_port, "GATEWAY_PROBE_PORT", "GATEWAY_HOST")
    _require_free(hosts.model_server, model_server_port, "MODEL_SERVER_PORT", "MODEL_SERVER_HOST")
    if not (store / "models.config").is_file():
        raise ServeError(f"{store} is not a model store: it has no models.config")
    processes: dict[str, Server] = {}
    with ending_in_order(), tempfile.TemporaryDirectory(prefix="speech-emotion-") as folder:
        mirror = ConfigMirror(store, Path(folder) / "models.config", models)
        model_server = host_port(reachable_host(hosts.model_server), model_server_port)
        settings = _gateway_settings(port, probe_port, model_server, mirror.models)
        gateway_s = _stop_timeout_s(settings)
        try:
            processes["model server"] = start_model_server(model_server_port, mirror.target)
            processes[GATEWAY] = _start_gateway(settings)
            probes = host_port(reachable_host(hosts.gateway), probe_port)
            _wait_ready(probes, processes)
            print(_greeting(host_port(reachable_host(hosts.gateway), port), probes, sample), flush=True)  # noqa: T201
            _watch(processes, mirror)
        except KeyboardInterrupt:
            with suppress(OSError):  # a terminal that was closed
                print("\nstopping", flush=True)  # noqa: T201
        finally:
            stop(processes, gateway_s)


@dataclass(frozen=True)
class Hosts:
    """The addresses that both servers listen on."""

    gateway: str
    model_server: str

    @classmethod
    def of_environment(cls) -> Self:
        """GATEWAY_HOST and MODEL_SERVER_HOST, which the processes read too; loopback by default."""
        named = (os.environ.get(name) or LOOPBACK for name in ("GATEWAY_HOST", HOST_VARIABLE))
        return cls(*map(listening_host, named))


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
        self._seen: int | None = None
        self.refresh()

    def refresh(self) -> None:
        """Rewrite the copy if the store's configuration has changed."""
        changed = AWAY
        try:
            changed = self.source.stat().st_mtime_ns
            if changed == self._seen:
                return
            config = read_config(self.source)
            for model in config.model_config_list.config:
                checked_name(model.name)
        except (OSError, StoreError) as error:
            # As a model server does: what cannot be read leaves the configuration as it was.
            if self._seen is None:
                raise ServeError(str(error)) from error
            if changed != self._seen:
                print(f"{self.source} is passed over: {error}", flush=True)  # noqa: T201
            self._seen = changed
            return
        named = {model.name: model for model in config.model_config_list.config}
        if self._seen is None:
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


def _require_free(host: str, port: int, setting: str, host_setting: str) -> None:
    try:
        open_listener(host, port).close()
    except OSError as error:
        if error.errno in PORT_ERRORS:
            raise ServeError(f"port {port} is busy: set {setting} to a free one") from error
        raise ServeError(f"cannot listen on {host} ({error.strerror or error}): set {host_setting}") from error


def start_model_server(port: int, config: Path, log: IO[bytes] | None = None, *, host: str = "") -> Server:
    """A model server on `host` (none: MODEL_SERVER_HOST); its messages go to `log`, or to where this process's go."""
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
    return Server(command, {HOST_VARIABLE: host} if host else {}, log)


def _gateway_settings(port: int, probe_port: int, model_server: str, models: Sequence[str]) -> dict[str, str]:
    """Variables that the gateway has beside those of this environment."""
    settings = {
        "GATEWAY_PORT": str(port),
        "GATEWAY_PROBE_PORT": str(probe_port),
        "GATEWAY_MODEL_SERVER": model_server,
        "GATEWAY_LOG_FORMAT": os.environ.get("GATEWAY_LOG_FORMAT") or "text",
        # The model server that is started here speaks no TLS, whatever the one of these certificates does.
        "GATEWAY_MODEL_SERVER_CA_FILE": "",
        "GATEWAY_MODEL_SERVER_CLIENT_CERT_FILE": "",
        "GATEWAY_MODEL_SERVER_CLIENT_KEY_FILE": "",
    }
    if not any(os.environ.get(name) for name in ("GATEWAY_MODEL_NAME", "GATEWAY_MODEL_NAMES")):
        settings["GATEWAY_MODEL_NAMES"] = ",".join(models)
    return settings


def _start_gateway(settings: Mapping[str, str]) -> Server:
    gunicorn = "-m gunicorn -c python:preprocess_gateway.process.gunicorn_conf"
    return Server([sys.executable, *gunicorn.split()], settings)


def wait_listening(address: str, processes: Mapping[str, Server]) -> None:
    """Wait for the model server at host:port. Raises ServeError if it ends, or takes longer than START_TIMEOUT_S."""
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        _check_alive(processes)
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise ServeError(f"the model server did not listen within {START_TIMEOUT_S:.0f} s")


def _wait_ready(probes: str, processes: Mapping[str, Server]) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        _check_alive(processes)
        if _ready(probes):
            return
        time.sleep(0.1)
    raise ServeError(f"the gateway was not ready within {START_TIMEOUT_S:.0f} s")


def _ready(probes: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{probes}/readyz", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _watch(processes: Mapping[str, Server], mirror: ConfigMirror) -> None:
    while True:
        time.sleep(1)
        _check_alive(processes)
        mirror.refresh()


def _check_alive(processes: Mapping[str, Server]) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            raise ServeError(f"the {name} ended with exit code {process.returncode}: its messages are above")


def stop(processes: Mapping[str, Server], gateway_s: float = STOP_TIMEOUT_S) -> None:
    """End the processes, last started first, each of them whatever the others do; the gateway has `gateway_s` for it.

    Whoever interrupts that does not wait for one of them, and leaves none.
    """
    with ExitStack() as last_first:  # the gateway first, so that what it has in flight is still answered
        for name, process in processes.items():
            last_first.callback(process.end, gateway_s if name == GATEWAY else STOP_TIMEOUT_S)


def _stop_timeout_s(settings: Mapping[str, str]) -> float:
    """The gateway itself ends its workers, once they have answered or their time for that is up. Raises ServeError."""
    try:
        gateway = service_settings(settings)
    except UsageError as error:
        raise ServeError(str(error)) from error
    return gateway.drain_s + gateway.grace_s + STOP_TIMEOUT_S


def _greeting(service: str, probes: str, sample: Path) -> str:
    return f"""
Ready. A request and its answer:

  curl -F file=@{sample} http://{service}/predict

Probes and metrics: http://{probes}/metrics
Stop with Ctrl-C."""
