"""Either server follows its files: version folders, warm-up, the polled configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

from google.protobuf import text_format

from speech_emotion.protos import get_model_status_pb2, prediction_log_pb2
from tests.model_server.calls import LABELS, answering_seed, code_of, config, request, write
from tests.support import savedmodels
from tests.support.model_server import ModelServer
from tests.support.waiting import until

START, LOADING, AVAILABLE, END = (
    getattr(get_model_status_pb2.ModelVersionStatus.State, name) for name in ("START", "LOADING", "AVAILABLE", "END")
)
QUICK_RETRY = "--load_retry_interval_micros=200000"


def test_versions_come_and_go_with_their_folders(binary: Path | None, store: Path) -> None:
    with ModelServer(QUICK_RETRY, "--max_num_load_retries=1", base_path=store, name="m", binary=binary) as server:
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


def test_a_version_that_waits_for_its_retry_holds_up_the_others(binary: Path | None, store: Path) -> None:
    flags = ("--max_num_load_retries=1", "--load_retry_interval_micros=2000000")
    with ModelServer(*flags, base_path=store, name="m", binary=binary) as server:
        savedmodels.write_linear(store / ".tmp-3", "{}", LABELS, seed=3)
        savedmodels.write_unloadable(store / "2")
        server.wait_for_version(2, LOADING)
        (store / ".tmp-3").rename(store / "3")
        server.wait_for_version(3)
        assert server.states()[2] == END


def test_with_one_load_thread_it_holds_up_loads_alone(binary: Path | None, store: Path, tmp_path: Path) -> None:
    write(store, 2)
    file = tmp_path / "models.config"
    file.write_text(text_format.MessageToString(config(store)))
    with ModelServer("--num_load_threads=1", config_file=file, name="m", binary=binary) as server:
        savedmodels.write_unloadable(store / "3")
        server.wait_for_version(3, LOADING)
        write(store, 4)
        shutil.rmtree(store / "1")
        server.wait_for_version(1, END)
        assert server.states() == {4: START, 3: LOADING, 2: AVAILABLE, 1: END}


def test_with_load_threads_it_holds_up_none(binary: Path | None, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.config"
    file.write_text(text_format.MessageToString(config(store)))
    with ModelServer("--num_load_threads=2", config_file=file, name="m", binary=binary) as server:
        savedmodels.write_unloadable(store / "2")
        server.wait_for_version(2, LOADING)
        write(store, 3)
        server.wait_for_version(3)
        assert server.states() == {3: AVAILABLE, 2: LOADING, 1: AVAILABLE}


def test_the_polled_file_moves_labels_and_is_refused_whole(binary: Path | None, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "models.config"

    def put(text: str) -> None:
        (tmp_path / "new").write_text(text)
        (tmp_path / "new").rename(file)

    def put_config(**labels: int) -> None:
        put(text_format.MessageToString(config(store, **labels)))

    write(store, 2)
    put_config(stable=1)
    flags = ("--allow_version_labels_for_unavailable_models", "--model_config_file_poll_wait_seconds=1")
    with ModelServer(*flags, config_file=file, name="m", binary=binary) as server:
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
        until(lambda: f"Failed to read ModelServerConfig file: {file}; No such file or directory" in server.log)
        assert answering_seed(server, label="stable") == 3

        put("model_config_list {}")
        for version in (1, 2, 3):
            server.wait_for_version(version, END)
        assert code_of(lambda: answering_seed(server)) == ("NOT_FOUND", "Servable not found for request: Latest(m)")
        put_config(stable=2)
        server.wait_for_version(2)
        assert answering_seed(server, label="stable") == 2


def test_warm_up_runs_before_available_and_a_bad_record_keeps_a_version_out(binary: Path | None, store: Path) -> None:
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request(name="another name"))
    savedmodels.write_warmup(store / "1", [log.SerializeToString()])
    with ModelServer("--max_num_load_retries=0", base_path=store, name="m", binary=binary) as server:
        assert "Number of warmup records read: 1." in server.log
        log.predict_log.request.model_spec.signature_name = "nosig"
        savedmodels.write_linear(store / ".tmp-2", "{}", LABELS, seed=2)
        savedmodels.write_warmup(store / ".tmp-2", [log.SerializeToString()])
        (store / ".tmp-2").rename(store / "2")
        server.wait_for_version(2, END)
        assert answering_seed(server) == 1
