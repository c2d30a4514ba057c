"""A real model server process for tests: started on a free port, always stopped."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from speech_emotion.channel import Tls, open_channel
from speech_emotion.listening import host_port, listening_host, reachable_host
from speech_emotion.protos import (
    get_model_status_pb2,
    model_management_pb2,
    model_server_config_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)
from tests.support.ports import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
AVAILABLE = get_model_status_pb2.ModelVersionStatus.State.AVAILABLE
LOADING = {get_model_status_pb2.ModelVersionStatus.State.START, get_model_status_pb2.ModelVersionStatus.State.LOADING}


def real_server() -> Path | None:
    """TensorFlow Serving's binary, from TENSORFLOW_MODEL_SERVER or beside the project; none where neither is there."""
    shared = REPOSITORY.parent / "shared" / "tf_serving" / "tensorflow_model_server"
    path = Path(os.environ.get("TENSORFLOW_MODEL_SERVER", shared))
    return path if path.is_file() else None


def command(binary: Path | None) -> list[str]:
    """How TensorFlow Serving's `binary` is started, or `python -m model_server` where that is None."""
    return [str(binary)] if binary else [sys.executable, "-m", "model_server"]


def environment(host: str = "127.0.0.1") -> dict[str, str]:
    """What either server is started with: this process's environment, and the address to listen on.

    TENSORFLOW_DIR is for a build of TensorFlow Serving that takes its libraries from TensorFlow's wheel.
    """
    tensorflow = importlib.util.find_spec("tensorflow")
    folder = tensorflow.submodule_search_locations[0] if tensorflow and tensorflow.submodule_search_locations else ""
    return {"TENSORFLOW_DIR": folder, **os.environ, "MODEL_SERVER_HOST": host, "PYTHONUNBUFFERED": "1"}


def ssl_config(path: Path, server: tuple[Path, Path], client_ca: Path | None = None) -> Path:
    """Write an SSLConfig with the server's key and certificate, and the CA that clients need a certificate of."""
    texts = {"server_key": server[0].read_text(), "server_cert": server[1].read_text()}
    if client_ca:
        texts["custom_ca"] = client_ca.read_text()
    lines = [f"{field}: {json.dumps(text)}" for field, text in texts.items()]
    path.write_text("\n".join([*lines, f"client_verify: {str(client_ca is not None).lower()}"]))
    return path


class ModelServer:
    """`python -m model_server` on a free port, as a context manager.

    Give a `base_path` (with `name`) or a `config_file`; further flags as they stand on the command line. `tls` is what
    the channel to it uses; with `rest` REST is served at `.rest_port`. `binary` is TensorFlow
    Serving's own server in place of `python -m model_server`; it listens on `host`, run by the command `prefix`.
    `start` waits until a version is AVAILABLE, `.address` is host:port, `.log` what it printed.
    """

    def __init__(
        self,
        *flags: str,
        base_path: Path | None = None,
        config_file: Path | None = None,
        name: str = "speech_emotion",
        port: int | None = None,
        wait_s: float = 120.0,
        tls: Tls | None = None,
        rest: bool = False,
        binary: Path | None = None,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        self._tls = tls
        self.name = name
        self.port = port or free_port()
        self._host = host
        self.address = host_port(reachable_host(listening_host(host)), self.port)
        self.log_path = Path(tempfile.mkstemp(prefix="model_server.", suffix=".log")[1])
        self._wait_s = wait_s
        self._command = [*prefix, *command(binary), f"--port={self.port}"]
        if base_path:
            self._command += [f"--model_name={name}", f"--model_base_path={base_path}"]
        if config_file:
            self._command += [f"--model_config_file={config_file}"]
        self.rest_port = free_port() if rest else 0
        self._command += [f"--rest_api_port={self.rest_port}", *flags]
        self.process: subprocess.Popen[bytes] | None = None
        self._channel: grpc.Channel | None = None

    def start(self, *, wait: bool = True) -> Self:
        """Start the process and, unless told not to, wait until it serves `name` in every version that can be."""
        own = environment(self._host)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=REPOSITORY, env=own, stdout=log, stderr=log, start_new_session=True
            )
        if wait:
            try:
                self.wait_for_version()
                self._wait_loaded()
            except BaseException:
                self.kill()
                raise
        return self

    def wait_for_version(self, version: int | None = None, state: int = AVAILABLE, name: str | None = None) -> None:
        """Wait until `version` (or any) is in `state`. Raises AssertionError with the log if it never is."""
        end = time.monotonic() + self._wait_s
        while time.monotonic() < end:
            found = self.states(name)
            if state in found.values() if version is None else found.get(version) == state:
                return
            if self.process is not None and self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise AssertionError(f"{name or self.name}/{version or '*'} never reached {state}: {self.log}")

    def _wait_loaded(self) -> None:
        """Wait while a version is on its way: a label may name it."""
        end = time.monotonic() + self._wait_s
        while time.monotonic() < end and LOADING & set(self.states().values()):
            time.sleep(0.05)

    def states(self, name: str | None = None) -> dict[int, int]:
        """State of every version of the model; empty while the server or the model is not there."""
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = name or self.name
        try:
            answer = self.models.GetModelStatus(request, timeout=60)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND):
                return {}
            raise
        return {entry.version: entry.state for entry in answer.model_version_status}

    def reload(self, config: model_server_config_pb2.ModelServerConfig, timeout_s: float = 60) -> None:
        """Send a new configuration. Raises grpc.RpcError if it is refused."""
        request = model_management_pb2.ReloadConfigRequest(config=config)
        self.models.HandleReloadConfigRequest(request, timeout=timeout_s)

    @property
    def channel(self) -> grpc.Channel:
        """The channel to the server, made on first use and closed with it."""
        if self._channel is None:
            options = (("grpc.max_reconnect_backoff_ms", 200), ("grpc.initial_reconnect_backoff_ms", 50))
            self._channel = open_channel(self.address, self._tls, options)
        return self._channel

    def reconnect(self, tls: Tls | None) -> None:
        """Use another client certificate, or none, from now on."""
        if self._channel is not None:
            self._channel.close()
        self._channel, self._tls = None, tls

    @property
    def models(self) -> model_service_pb2_grpc.ModelServiceStub:
        """The ModelService of the server."""
        return model_service_pb2_grpc.ModelServiceStub(self.channel)

    @property
    def predictions(self) -> prediction_service_pb2_grpc.PredictionServiceStub:
        """The PredictionService of the server."""
        return prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    @property
    def log(self) -> str:
        """What the process has printed so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL, and the exit code."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        assert self.process is not None, "the server was never started"
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def __enter__(self) -> Self:
        return self if self.process else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None:
            self.kill()
        if error is not None:
            sys.stderr.write(f"--- log of the model server at {self.address} ---\n{self.log}")
        self.log_path.unlink(missing_ok=True)
