"""A check tells a version that answers wrongly from a server that fails; real servers, tiny models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from speech_emotion.protos import get_model_status_pb2, model_service_pb2_grpc, prediction_service_pb2_grpc
from speech_emotion.store.errors import NotServedError
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import promote, set_canary
from speech_emotion.store.publish import publish
from speech_emotion.store.servers import NO_SERVERS, ModelServers
from tests.support import savedmodels
from tests.support.model_server import ModelServer
from tests.support.ports import free_port
from tests.support.waiting import ended, until
from training_pipeline.errors import FailedCheckError
from training_pipeline.retraining import check as checking
from training_pipeline.retraining import own_server
from training_pipeline.retraining.check import check, rehearse
from training_pipeline.savedmodel.golden import write_golden

NAME = "speech_emotion"
EMOTIONS = ("calm", "angry", "sad")
WINDOWS = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
STATES = get_model_status_pb2.ModelVersionStatus.State


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny version that answers as its golden set says."""
    folder = savedmodels.write_linear(tmp_path_factory.mktemp("candidate") / "version", "{}", EMOTIONS)
    write_golden(folder, WINDOWS, lambda windows: savedmodels.linear_probabilities(windows, len(EMOTIONS)))
    return folder


@pytest.fixture
def store(candidate: Path, tmp_path: Path) -> FolderStore:
    """A store with the candidate as version 1."""
    opened = FolderStore(tmp_path / "store")
    assert publish(opened, NAME, candidate) == 1
    return opened


class Refusing(model_service_pb2_grpc.ModelServiceServicer, prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    """Says AVAILABLE, and ends every Predict with `code`; the first `passing` ones only, if that is set."""

    code = grpc.StatusCode.OK

    def GetModelStatus(self, request: Any, context: Any) -> get_model_status_pb2.GetModelStatusResponse:  # noqa: ARG002
        response = get_model_status_pb2.GetModelStatusResponse()
        response.model_version_status.add(version=1, state=STATES.AVAILABLE)
        return response

    def Predict(self, request: Any, context: Any) -> None:  # noqa: ARG002
        context.abort(self.code, "as told")


@pytest.fixture(scope="module")
def refusing() -> Iterator[tuple[Refusing, ModelServers]]:
    servicer, server = Refusing(), grpc.server(ThreadPoolExecutor(2))
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, ModelServers((f"127.0.0.1:{port}",), timeout_s=0)
    server.stop(0).wait()


@pytest.mark.parametrize(
    "code",
    [
        "UNAVAILABLE",
        "DEADLINE_EXCEEDED",
        "CANCELLED",
        "RESOURCE_EXHAUSTED",
        "NOT_FOUND",
        "UNAUTHENTICATED",
        "PERMISSION_DENIED",
        "UNIMPLEMENTED",
        "ABORTED",
    ],
)
def test_a_fault_of_the_server_leaves_the_version(
    store: FolderStore, refusing: tuple[Refusing, ModelServers], code: str
) -> None:
    refusing[0].code = grpc.StatusCode[code]
    with pytest.raises(NotServedError, match=f"{code} as told"):
        check(store, NAME, 1, refusing[1])
    assert store.versions(NAME) == [1]


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "INTERNAL", "UNKNOWN"])
def test_what_the_version_itself_says_takes_it_away(
    store: FolderStore, refusing: tuple[Refusing, ModelServers], code: str
) -> None:
    refusing[0].code = grpc.StatusCode[code]
    with pytest.raises(FailedCheckError, match=f"version 1 of {NAME} is in quarantine: .*{code} as told"):
        check(store, NAME, 1, refusing[1])
    assert store.versions(NAME) == []


@pytest.mark.parametrize("label", [promote, set_canary])
def test_a_version_with_a_label_stays_whatever_it_answers(
    store: FolderStore, refusing: tuple[Refusing, ModelServers], label: Any, candidate: Path
) -> None:
    label(store, NAME, 1)
    assert publish(store, NAME, candidate) == 1, "a rerun publishes the same bytes"
    labels = store.read_config().labels(NAME)
    refusing[0].code = grpc.StatusCode.INTERNAL
    with pytest.raises(FailedCheckError, match=f"version 1 of {NAME} stays: it is .*INTERNAL as told"):
        check(store, NAME, 1, refusing[1])
    assert (store.versions(NAME), store.read_config().labels(NAME)) == ([1], labels)


@pytest.fixture
def server(store: FolderStore) -> Iterator[ModelServer]:
    with ModelServer(base_path=store.root / NAME, name=NAME) as running:
        yield running


def kill_during_the_replay(monkeypatch: pytest.MonkeyPatch, server: ModelServer, again: bool) -> list[threading.Thread]:
    """Kill the server as the first answer is about to be asked for; start it again if told to."""
    predict, restarts = checking._predict, []

    def killed_before(*arguments: Any) -> Any:
        monkeypatch.setattr(checking, "_predict", predict)
        server.kill()
        if again:
            restarts.append(threading.Thread(target=server.start))
            restarts[0].start()
        return predict(*arguments)

    monkeypatch.setattr(checking, "_predict", killed_before)
    return restarts


def test_a_server_killed_during_the_replay_is_waited_for(
    store: FolderStore, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    restarts = kill_during_the_replay(monkeypatch, server, again=True)
    gap = check(store, NAME, 1, ModelServers((server.address,), timeout_s=120))
    restarts[0].join()
    assert gap <= 1e-4
    assert store.versions(NAME) == [1]


def test_a_server_that_does_not_come_back_leaves_the_version(
    store: FolderStore, server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_during_the_replay(monkeypatch, server, again=False)
    with pytest.raises(NotServedError, match=server.address):
        check(store, NAME, 1, ModelServers((server.address,), timeout_s=2))
    assert store.versions(NAME) == [1]


REHEARSAL = """
import sys, time
from pathlib import Path
from training_pipeline.retraining.own_server import own_server
with own_server(Path(sys.argv[1]), "speech_emotion", 1, 120):
    Path("listening").touch()
    time.sleep(300)
"""


@pytest.mark.usefixtures("hang_ups")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_server_of_a_rehearsal_ends_with_the_command(candidate: Path, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "tmp").mkdir()
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root), "TMPDIR": str(tmp_path / "tmp")}
    command = [sys.executable, "-c", REHEARSAL, str(candidate)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log)
    try:
        until((tmp_path / "listening").exists)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        (own,) = [int(pid) for pid in children if "model_server" in Path(f"/proc/{pid}/cmdline").read_text()]
        process.send_signal(number)
        assert process.wait(60) != 0
        until(lambda: ended(own))
    finally:
        process.kill()
        process.wait()
    if number != signal.SIGKILL:
        assert list((tmp_path / "tmp").iterdir()) == []


def test_a_candidate_is_rehearsed_before_it_enters_a_store(candidate: Path, tmp_path: Path) -> None:
    assert rehearse(candidate, NAME) <= 1e-4
    broken = savedmodels.write_unloadable(tmp_path / "broken")
    write_golden(broken, WINDOWS, lambda windows: np.zeros((len(windows), 3)))
    with pytest.raises(FailedCheckError, match=r"the candidate was not published: .*saved_model\.pb"):
        rehearse(broken, NAME)


def test_a_candidate_that_answers_otherwise_or_has_no_golden_set_is_refused(tmp_path: Path) -> None:
    folder = savedmodels.write_linear(tmp_path / "version", "{}", EMOTIONS)
    with pytest.raises(FailedCheckError, match=r"has no assets\.extra/golden\.npz"):
        rehearse(folder, NAME)
    write_golden(folder, WINDOWS, lambda windows: np.zeros((len(windows), 3)))
    with pytest.raises(FailedCheckError, match="off what training saw"):
        rehearse(folder, NAME)


def test_a_published_version_that_no_server_can_load_is_quarantined(store: FolderStore) -> None:
    version = store.root / NAME / "1"
    (version / "saved_model.pb").write_bytes(b"\xffnot a saved model")
    (version / "manifest.json").unlink()
    with pytest.raises(FailedCheckError, match="in quarantine"):
        check(store, NAME, 1, NO_SERVERS)
    assert store.versions(NAME) == []


@contextmanager
def serving(binary: Path | None, store: FolderStore, *flags: str) -> Iterator[ModelServer]:
    """A server of either kind on the store's configuration, as the chart starts it."""
    polls = ("--file_system_poll_wait_seconds=1", "--num_load_threads=4")
    config = configuration_here(store.root)
    with ModelServer(*polls, *flags, config_file=config, name=NAME, binary=binary) as server:
        yield server


def configuration_here(root: Path) -> Path:
    """The store's configuration with the paths of this machine: the store's own are those of a cluster's mount."""
    path = root / "here.config"
    path.write_text(
        f'model_config_list {{ config {{ name: "{NAME}" base_path: "{root / NAME}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )
    return path


def publish_broken(store: FolderStore, folder: Path) -> int:
    """Publish a version that no server can load, without a rehearsal."""
    broken = savedmodels.write_unloadable(folder / "broken")
    write_golden(broken, WINDOWS, lambda windows: np.zeros((len(windows), len(EMOTIONS))))
    return publish(store, NAME, broken)


def test_a_version_goes_to_quarantine_once_a_server_has_given_up(
    binary: Path | None, store: FolderStore, tmp_path: Path
) -> None:
    """A version is LOADING as long as the server tries again: the check waits for the server's last word."""
    retries = ("--max_num_load_retries=1", "--load_retry_interval_micros=2000000")
    with serving(binary, store, *retries) as server:
        assert publish_broken(store, tmp_path) == 2
        with pytest.raises(FailedCheckError, match=f"version 2 of {NAME} is in quarantine: .*END"):
            check(store, NAME, 2, ModelServers((server.address,), timeout_s=60))
        assert store.versions(NAME) == [1]
        assert check(store, NAME, 1, ModelServers((server.address,), timeout_s=60)) <= 1e-4


def test_a_version_that_is_tried_again_holds_up_no_later_one(
    binary: Path | None, store: FolderStore, tmp_path: Path
) -> None:
    with serving(binary, store, "--max_num_load_retries=100") as server:
        assert publish_broken(store, tmp_path) == 2
        server.wait_for_version(2, STATES.LOADING)
        later = savedmodels.write_linear(tmp_path / "later", "{}", EMOTIONS, seed=3)
        write_golden(later, WINDOWS, lambda windows: savedmodels.linear_probabilities(windows, len(EMOTIONS), 3))
        assert publish(store, NAME, later) == 3
        assert check(store, NAME, 3, ModelServers((server.address,), timeout_s=60)) <= 1e-4
        with pytest.raises(NotServedError, match="LOADING"):
            check(store, NAME, 2, ModelServers((server.address,), timeout_s=0))
    assert store.versions(NAME) == [1, 2, 3]


def test_a_server_that_is_not_there_is_no_reason_to_quarantine(store: FolderStore) -> None:
    with pytest.raises(NotServedError):
        check(store, NAME, 1, ModelServers((f"127.0.0.1:{free_port()}",), timeout_s=0))
    assert store.versions(NAME) == [1]


def test_a_server_that_cannot_start_is_no_fault_of_the_version(
    store: FolderStore, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_server.sys, "executable", "/bin/false")
    for call in (lambda: rehearse(candidate, NAME), lambda: check(store, NAME, 1, NO_SERVERS)):
        with pytest.raises(NotServedError, match="does not start: it says nothing"):
            call()
    assert store.versions(NAME) == [1]
