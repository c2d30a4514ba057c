"""Either server starts, or says why not, and ends by a signal."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from pathlib import Path

import grpc
from google.protobuf import text_format

from speech_emotion.protos import get_model_status_pb2
from tests.model_server.calls import LABELS, answering_seed, config, request, write
from tests.support import savedmodels
from tests.support.model_server import REPOSITORY, ModelServer, command, environment
from tests.support.ports import free_port
from tests.support.waiting import until

END = get_model_status_pb2.ModelVersionStatus.State.END


def run_to_its_end(binary: Path | None, *flags: str) -> subprocess.CompletedProcess[str]:
    whole = [*command(binary), *flags]
    both = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run(whole, cwd=REPOSITORY, env=environment(), text=True, timeout=120, check=False, **both)


def test_sigterm_ends_calls_under_way_as_unavailable(binary: Path | None, tmp_path: Path) -> None:
    savedmodels.write_slow(tmp_path / "slow" / "1", "{}", LABELS, seconds=60)
    with ModelServer(base_path=tmp_path / "slow", name="slow", binary=binary) as server:
        call = server.predictions.Predict.future(request(name="slow"), timeout=60)
        until(call.running)
        time.sleep(0.5)  # the call is on its way; nothing tells when it has arrived
        assert server.process is not None
        server.process.terminate()
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        assert server.process.wait(60) == -signal.SIGTERM


def test_labels_at_start_without_the_flag_end_the_server(binary: Path | None, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text(text_format.MessageToString(config(store, stable=1)))
    ended = run_to_its_end(binary, f"--model_config_file={file}", f"--port={free_port()}")
    assert ended.returncode == 255
    assert (
        "FAILED_PRECONDITION: Request to assign label to version 1 of model m, "
        "which is not currently available for inference"
    ) in ended.stdout


def test_a_model_that_cannot_be_loaded_ends_the_start(binary: Path | None, tmp_path: Path) -> None:
    savedmodels.write_unloadable(tmp_path / "m" / "1")
    flags = (f"--model_base_path={tmp_path / 'm'}", "--model_name=m", "--max_num_load_retries=0")
    ended = run_to_its_end(binary, *flags, f"--port={free_port()}")
    assert ended.returncode == 255
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{{name: m version: 1} due to error: DATA_LOSS: "
    ) in ended.stdout


def test_the_port_stays_shut_until_a_broken_version_is_given_up(
    binary: Path | None, store: Path, tmp_path: Path
) -> None:
    savedmodels.write_unloadable(store / "2")
    flags = ("--max_num_load_retries=1", "--load_retry_interval_micros=3000000")
    file = tmp_path / "models.config"
    file.write_text(text_format.MessageToString(config(store)))
    server = ModelServer(*flags, config_file=file, name="m", binary=binary).start(wait=False)
    with server:
        until(lambda: "Successfully loaded servable version {name: m version: 1}" in server.log)
        with socket.socket() as probe:
            shut = probe.connect_ex(("127.0.0.1", server.port)) != 0
        assert shut or "{name: m version: 2} cannot be loaded" in server.log
        server.wait_for_version(2, END)
        assert answering_seed(server) == 1


def test_the_port_opens_when_the_first_model_is_there(binary: Path | None, tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    server = ModelServer(base_path=tmp_path / "m", name="m", binary=binary).start(wait=False)
    with server:
        until(lambda: f"base path {tmp_path / 'm'}" in server.log)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0
        write(tmp_path / "m", 1)
        server.wait_for_version(1)


def test_a_busy_port_is_said_with_the_flag_to_change(binary: Path | None, store: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        ended = run_to_its_end(binary, f"--model_base_path={store}", f"--port={port}")
    assert ended.returncode == 255
    if binary is None:
        assert f"cannot listen on 127.0.0.1:{port} (Address already in use); set another --port" in ended.stdout


def test_port_zero_listens_nowhere_and_a_socket_path_on_a_socket(
    binary: Path | None, store: Path, tmp_path: Path
) -> None:
    path = tmp_path / "grpc.sock"
    flags = ("--port=0", f"--grpc_socket_path={path}")
    server = ModelServer(*flags, base_path=store, name="m", binary=binary)
    server.start(wait=False)
    with server:
        until(path.exists)
        server.address = f"unix:{path}"
        server.wait_for_version(1)
        assert answering_seed(server) == 1
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0
