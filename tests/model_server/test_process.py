"""The real process: started by its flags, changed by its files, ended by a signal."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import text_format
from tensorflow_serving.apis import classification_pb2

from model_server.tensors import decode, encode
from speech_emotion.protos import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_server_config_pb2,
    predict_pb2,
    prediction_log_pb2,
    types_pb2,
)
from speech_emotion.store.config import parse_config
from tests.support import savedmodels
from tests.support.model_server import REPOSITORY, ModelServer, free_port

LABELS = ("calm", "angry", "sad")
FEATURES = np.random.default_rng(0).normal(size=(1, 5, 4)).astype(np.float32)
END = get_model_status_pb2.ModelVersionStatus.State.END
LOADING = get_model_status_pb2.ModelVersionStatus.State.LOADING
QUICK_RETRY = "--load_retry_interval_micros=200000"


def request(features: Any = FEATURES, signature: str = "", **spec: Any) -> predict_pb2.PredictRequest:
    message = predict_pb2.PredictRequest()
    message.model_spec.name = spec.pop("name", "m")
    message.model_spec.signature_name = signature
    if "version" in spec:
        message.model_spec.version.value = spec["version"]
    if "label" in spec:
        message.model_spec.version_label = spec["label"]
    encode(features, types_pb2.DT_FLOAT, message.inputs["features"])
    return message


def answering_seed(server: ModelServer, **spec: Any) -> int:
    """Which version answers, told by its numbers: every model here is written with its version as seed."""
    answer = server.predictions.Predict(request(**spec), timeout=30)
    found = decode(answer.outputs["probabilities"])
    expected = savedmodels.linear_probabilities(FEATURES, len(LABELS), answer.model_spec.version.value)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    return int(answer.model_spec.version.value)


def code_of(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as refused:
        call()
    return refused.value.code().name, refused.value.details()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


def write(store: Path, version: int) -> None:
    """A version as a publisher writes it: under another name, then renamed."""
    savedmodels.write_linear(store / f".tmp-{version}", "{}", LABELS, seed=version)
    (store / f".tmp-{version}").rename(store / str(version))


def config(store: Path, policy: str = "all {}", **labels: int) -> model_server_config_pb2.ModelServerConfig:
    lines = "".join(f" version_labels {{ key: '{label}' value: {version} }}" for label, version in labels.items())
    return parse_config(
        f"model_config_list {{ config {{ name: 'm' base_path: '{store}' model_platform: 'tensorflow'"
        f" model_version_policy {{ {policy} }}{lines} }} }}"
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    folder.mkdir()
    write(folder, 1)
    return folder


def run_to_its_end(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "model_server", *flags]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)


def test_versions_come_and_go_with_their_folders(store: Path) -> None:
    with ModelServer(QUICK_RETRY, "--max_num_load_retries=1", base_path=store, name="m") as server:
        assert answering_seed(server) == 1
        write(store, 2)
        server.wait_for_version(2)
        server.wait_for_version(1, END)
        assert answering_seed(server) == 2
        savedmodels.write_unloadable(store / "3")
        server.wait_for_version(3, END)
        assert answering_seed(server) == 2
        status = get_model_status_pb2.GetModelStatusRequest()
        status.model_spec.name = "m"
        failed, served, gone = server.models.GetModelStatus(status).model_version_status
        assert (failed.version, failed.status.error_code) == (3, 15)
        assert str(store / "3") in failed.status.error_message
        assert (served.status.error_code, gone.status.error_code) == (0, 0)
        shutil.rmtree(store / "3")
        shutil.rmtree(store / "2")
        server.wait_for_version(1)
        server.wait_for_version(2, END)
        assert answering_seed(server) == 1
        assert code_of(lambda: answering_seed(server, version=2)) == (
            "NOT_FOUND",
            "Servable not found for request: Specific(m, 2)",
        )
        assert "Traceback" not in server.log


def test_the_polled_file_moves_labels_and_is_refused_whole(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.config"

    def put(text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").rename(file)

    def put_config(**labels: int) -> None:
        put(text_format.MessageToString(config(store, **labels)))

    write(store, 2)
    put_config(stable=1)
    flags = ("--allow_version_labels_for_unavailable_models", "--model_config_file_poll_wait_seconds=1")
    with ModelServer(*flags, config_file=file, name="m") as server:
        server.wait_for_version(1)
        server.wait_for_version(2)
        assert answering_seed(server, label="stable") == 1
        put_config(stable=2)
        until(lambda: answering_seed(server, label="stable") == 2)

        put_config(stable=3, canary=1)
        until(lambda: "Request to assign label to version 3 of model m" in server.log)
        assert answering_seed(server, label="stable") == 2
        assert code_of(lambda: answering_seed(server, label="canary"))[0] == "INVALID_ARGUMENT"
        # Tried again at each poll: once version 3 is there, the same file is accepted.
        write(store, 3)
        until(lambda: answering_seed(server, label="stable") == 3)
        assert answering_seed(server, label="canary") == 1

        put("this is no configuration")
        until(lambda: "Invalid protobuf file" in server.log)
        file.unlink()
        until(lambda: f"Cannot read {file}" in server.log)
        assert answering_seed(server, label="stable") == 3

        put("model_config_list {}")
        for version in (1, 2, 3):
            server.wait_for_version(version, END)
        assert code_of(lambda: answering_seed(server)) == ("NOT_FOUND", "Servable not found for request: Latest(m)")
        put_config(stable=2)
        server.wait_for_version(2)
        assert answering_seed(server, label="stable") == 2


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ModelServer, Path]]:
    folder = tmp_path_factory.mktemp("served")
    for name in ("m", "slow"):
        (folder / name).mkdir()
    write(folder / "m", 1)
    savedmodels.write_slow(folder / "slow" / "1", "{}", LABELS, seconds=3)
    with ModelServer("--grpc_max_threads=2", base_path=folder / "m", name="m") as server:
        yield server, folder


def test_reload_by_call_waits_for_new_models_and_refuses_with_the_same_words(
    served: tuple[ModelServer, Path],
) -> None:
    server, folder = served
    wanted = config(folder / "m")
    slow = str(folder / "slow")
    wanted.model_config_list.config.add(name="slow", base_path=slow, model_platform="tensorflow")
    server.reload(wanted)
    assert set(server.states("slow")) == {1}
    assert code_of(lambda: server.reload(config(folder / "m", stable=9))) == (
        "FAILED_PRECONDITION",
        "Request to assign label to version 9 of model m, which is not currently available for inference",
    )
    assert code_of(lambda: server.reload(model_server_config_pb2.ModelServerConfig()))[0] == "INVALID_ARGUMENT"
    assert answering_seed(server) == 1
    server.reload(wanted)


def test_calls_beyond_the_threads_are_refused_at_once(served: tuple[ModelServer, Path]) -> None:
    server, folder = served
    wanted = config(folder / "m")
    wanted.model_config_list.config.add(name="slow", base_path=str(folder / "slow"), model_platform="tensorflow")
    server.reload(wanted)
    running = [server.predictions.Predict.future(request(name="slow"), timeout=60) for _ in range(2)]
    refusals = []

    def refused() -> bool:
        call = server.predictions.Predict.future(request(), timeout=30)
        refusals.append((call.code().name, call.details()))
        return call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED

    until(refused)
    assert refusals[-1] == ("RESOURCE_EXHAUSTED", "Server Threadpool Exhausted")
    assert all(call.code() is grpc.StatusCode.OK for call in running)
    assert answering_seed(server) == 1


def test_what_is_not_built_is_unimplemented(served: tuple[ModelServer, Path]) -> None:
    server, _ = served
    call = classification_pb2.ClassificationRequest()
    assert code_of(lambda: server.predictions.Classify(call, timeout=30))[0] == "UNIMPLEMENTED"


@pytest.mark.parametrize(
    ("service", "rpc", "message"),
    [
        ("predictions", "Predict", predict_pb2.PredictRequest()),
        ("predictions", "GetModelMetadata", get_model_metadata_pb2.GetModelMetadataRequest()),
        ("models", "GetModelStatus", get_model_status_pb2.GetModelStatusRequest()),
    ],
)
def test_a_call_to_no_model_is_refused(served: tuple[ModelServer, Path], service: str, rpc: str, message: Any) -> None:
    call = getattr(getattr(served[0], service), rpc)
    assert code_of(lambda: call(message, timeout=30)) == ("INVALID_ARGUMENT", "Missing ModelSpec")


def test_messages_beyond_four_megabytes_are_taken(served: tuple[ModelServer, Path]) -> None:
    large = np.zeros((4, 1000, 400), np.float32)
    answer = served[0].predictions.Predict(request(large), timeout=30)
    assert decode(answer.outputs["probabilities"]).shape == (4, 3)


def test_a_bad_call_leaves_no_trace_in_the_log(served: tuple[ModelServer, Path]) -> None:
    server, _ = served
    before = server.log
    assert code_of(lambda: server.predictions.Predict(request(FEATURES[0]), timeout=30))[0] == "INVALID_ARGUMENT"
    assert server.log == before


def test_sigterm_ends_calls_under_way_as_unavailable(tmp_path: Path) -> None:
    savedmodels.write_slow(tmp_path / "slow" / "1", "{}", LABELS, seconds=60)
    with ModelServer(base_path=tmp_path / "slow", name="slow") as server:
        call = server.predictions.Predict.future(request(name="slow"), timeout=60)
        until(call.running)
        time.sleep(0.5)  # the call is on its way; nothing tells when it has arrived
        assert server.process is not None
        server.process.terminate()
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        assert server.process.wait(10) == 143


def test_warm_up_runs_before_available_and_a_bad_record_keeps_a_version_out(store: Path) -> None:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request(name="another name"))
    savedmodels.write_warmup(store / "1", [log.SerializeToString()])
    with ModelServer("--max_num_load_retries=0", base_path=store, name="m") as server:
        assert "warmed up {name: m version: 1} with 1 records" in server.log
        log.predict_log.request.model_spec.signature_name = "nosig"
        savedmodels.write_linear(store / ".tmp-2", "{}", LABELS, seed=2)
        savedmodels.write_warmup(store / ".tmp-2", [log.SerializeToString()])
        (store / ".tmp-2").rename(store / "2")
        server.wait_for_version(2, END)
        assert answering_seed(server) == 1


def test_labels_at_start_without_the_flag_end_the_server(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text(text_format.MessageToString(config(store, stable=1)))
    ended = run_to_its_end(f"--model_config_file={file}", f"--port={free_port()}")
    assert ended.returncode == 255
    assert (
        "FAILED_PRECONDITION: Request to assign label to version 1 of model m, "
        "which is not currently available for inference"
    ) in ended.stderr


def test_a_model_that_cannot_be_loaded_ends_the_start(tmp_path: Path) -> None:
    savedmodels.write_unloadable(tmp_path / "m" / "1")
    flags = (f"--model_base_path={tmp_path / 'm'}", "--model_name=m", "--max_num_load_retries=0")
    ended = run_to_its_end(*flags, f"--port={free_port()}")
    assert ended.returncode == 255
    assert "1 servable(s) did not become available: {{{name: m version: 1} due to error: DATA_LOSS" in ended.stderr


def test_the_port_opens_when_the_first_model_is_there(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    server = ModelServer(base_path=tmp_path / "m", name="m").start(wait=False)
    with server:
        until(lambda: "No versions found" in server.log)
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0
        write(tmp_path / "m", 1)
        server.wait_for_version(1)


def test_a_busy_port_is_said_with_the_flag_to_change(store: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        ended = run_to_its_end(f"--model_base_path={store}", f"--port={port}")
    assert ended.returncode == 255
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use); set another --port" in ended.stderr


def test_port_zero_listens_nowhere_and_a_socket_path_on_a_socket(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "grpc.sock"
    flags = ("--port=0", f"--grpc_socket_path={path}")
    server = ModelServer(*flags, base_path=store, name="m")
    server.start(wait=False)
    with server:
        until(path.exists)
        server.address = f"unix:{path}"
        server.wait_for_version(1)
        assert answering_seed(server) == 1
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", server.port)) != 0
