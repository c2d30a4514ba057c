"""A model server with one version alone, on loopback, for as long as the version is looked at."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc

from speech_emotion.channel import open_channel
from speech_emotion.children import Server, ending_in_order
from speech_emotion.listening import free_port
from speech_emotion.protos import get_model_status_pb2, model_server_config_pb2, model_service_pb2_grpc
from speech_emotion.store.config import write_config
from speech_emotion.store.errors import LoadFailedError, NotServedError

STOP_TIMEOUT_S = 15.0
_CHANNEL = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500))


@contextmanager
def own_server(folder: Path, name: str, number: int, timeout_s: float) -> Iterator[str]:
    """Serve the SavedModel `folder` as version `number` of `name`; yields host:port once the server listens.

    It starts without a model and is then told of the version: a first one that cannot be loaded would end the start,
    and nobody could be asked why. Raises NotServedError if it does not listen within `timeout_s`; LoadFailedError in
    place of a NotServedError of the block, if the server has ended by itself: the version is all that it had to do.
    """
    with ending_in_order(), tempfile.TemporaryDirectory(prefix="model-server-") as temporary:
        base = Path(temporary) / name
        base.mkdir()
        (base / str(number)).symlink_to(folder.resolve(), target_is_directory=True)
        config = model_server_config_pb2.ModelServerConfig()
        entry = config.model_config_list.config.add(name=name, base_path=str(base), model_platform="tensorflow")
        entry.model_version_policy.specific.versions.append(number)
        path, log, port = Path(temporary) / "models.config", Path(temporary) / "log", free_port()
        write_config(path, model_server_config_pb2.ModelServerConfig(model_config_list={}))
        command = [sys.executable, "-m", "model_server", f"--port={port}", f"--model_config_file={path}"]
        flags = ["--model_config_file_poll_wait_seconds=1", "--max_num_load_retries=0"]
        with log.open("wb") as file:
            process = Server([*command, *flags], {"MODEL_SERVER_HOST": "127.0.0.1"}, file)
        try:
            _wait_listening(process, f"127.0.0.1:{port}", timeout_s, log)
            write_config(path, config)
            yield f"127.0.0.1:{port}"
        except NotServedError as error:
            if process.poll() is None or isinstance(error, _DidNotStartError):
                raise
            raise LoadFailedError(f"its model server ended unexpectedly: {_last_line(log)}") from error
        finally:
            process.end(STOP_TIMEOUT_S)


class _DidNotStartError(NotServedError):
    """The server ended or was silent before it was told of the version."""


def _wait_listening(process: Server, address: str, timeout_s: float, log: Path) -> None:
    deadline = time.monotonic() + timeout_s
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "none"
    with open_channel(address, options=_CHANNEL) as channel:
        stub = model_service_pb2_grpc.ModelServiceStub(channel)
        while True:
            try:
                stub.GetModelStatus(request, timeout=1, wait_for_ready=True)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.NOT_FOUND:
                    return
            if process.poll() is not None:
                raise _DidNotStartError(f"the model server for the check does not start: {_last_line(log)}")
            if time.monotonic() >= deadline:
                raise _DidNotStartError(f"the model server for the check did not start within {timeout_s:g} s")


def _last_line(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2] or "it says nothing"
