"""What `ser pipeline submit` and `schedule` send, by the command itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kubeflow import Backend, kubeflow_backend

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "k8s" / "pipeline.yaml"


def ser(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ser.main", "pipeline", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def backend() -> Iterator[Backend]:
    with kubeflow_backend() as backend:
        yield backend


def test_submit_sends_both_documents_and_its_parameters(backend: Backend) -> None:
    done = ser(
        *("submit", "--host", backend.url, "--package", PACKAGE, "--image", "registry.example/pipeline:7", "--json"),
        *("-p", "servers=models:8500", "-p", "margin=0.01", "-p", "folds=0", "-p", "data_pvc=mine"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"run_id": "r0"}
    (run,) = backend.runs
    assert run["runtime_config"]["parameters"] == {
        "image": "registry.example/pipeline:7",
        "servers": "models:8500",
        "margin": 0.01,
        "folds": 0,
        "data_pvc": "mine",
    }
    assert re.fullmatch(r"head data 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d", run["display_name"])
    assert done.stderr == ""
    assert set(run["pipeline_spec"]) == {"pipeline_spec", "platform_spec"}
    assert "kubernetes" in run["pipeline_spec"]["platform_spec"]["platforms"]


def test_a_refusal_is_one_line(backend: Backend, tmp_path: Path) -> None:
    old = tmp_path / "pipeline.yaml"
    old.write_text(PACKAGE.read_text().replace("schemaVersion: 2.1.0", "schemaVersion: 2.0.0"))
    done = ser("submit", "--host", backend.url, "--package", old)
    assert done.returncode == 1
    assert "schemaVersion 2.0.0" in done.stderr
    assert "Traceback" not in done.stderr
    assert backend.runs == []


def test_schedule_compiles_and_replaces_the_job_of_its_name(backend: Backend) -> None:
    for hour in (3, 4):
        done = ser("schedule", "--host", backend.url, "--cron", f"0 0 {hour} * * 0", "-p", "servers=models:8500")
        assert done.returncode == 0, done.stderr
    (job,) = backend.recurring.values()
    assert job["trigger"]["cron_schedule"]["cron"] == "0 0 4 * * 0"
    assert (str(job["max_concurrency"]), job["no_catchup"], job["mode"]) == ("1", True, "ENABLE")
    assert job["display_name"] == "speech-emotion-retraining"
    assert job["runtime_config"]["parameters"]["servers"] == "models:8500"


def test_a_cron_expression_without_seconds_is_never_sent(backend: Backend) -> None:
    done = ser("schedule", "--host", backend.url, "--cron", "0 3 * * 0", "-p", "servers=models:8500")
    assert done.returncode == 2
    assert "5 fields; six are needed" in done.stderr
    assert backend.recurring == {}


def test_a_parameter_that_the_pipeline_does_not_have_is_never_sent(backend: Backend) -> None:
    done = ser("submit", "--host", backend.url, "-p", "colour=red")
    assert done.returncode == 1
    assert "no parameter colour" in done.stderr
    assert backend.runs == []
    assert {"cpu", "memory", "seed", "servers", "work"} <= set(re.findall("[a-z_]+", done.stderr))


def test_what_is_no_pipeline_is_refused_in_a_sentence(backend: Backend, tmp_path: Path) -> None:
    for number, text in enumerate(("", "kind: Pod", "- 1", "a: [", "\x00")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        done = ser("submit", "--host", backend.url, "--package", path)
        assert done.returncode == 1
        assert "not a compiled pipeline" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_run_that_is_waited_for_shows_the_state_of_each_task(backend: Backend) -> None:
    backend.progress = [
        {"validate": "RUNNING", "root-driver": "SUCCEEDED"},
        {"validate": "SUCCEEDED", "train": "RUNNING"},
        {"validate": "SUCCEEDED", "train": "SUCCEEDED", "release": "SUCCEEDED"},
    ]
    done = ser("submit", "--host", backend.url, "--package", PACKAGE, "--wait")
    assert done.returncode == 0, done.stderr
    assert [line.split(" s  ")[1] for line in done.stderr.splitlines()] == [
        "validate running",
        "validate succeeded",
        "train running",
        "train succeeded",
        "release succeeded",
    ]
    first, last = done.stdout.splitlines()
    assert first == "run r0"
    assert last.startswith("run r0 succeeded after ")


def test_a_run_that_fails_shows_the_log_of_the_task_that_failed(backend: Backend) -> None:
    backend.progress = [{"validate": "SUCCEEDED", "train": "FAILED"}]
    klog = 'I1128 16:26:28.449805      11 main.go:139] input: {\n    "cpu": "1"\n}'
    backend.logs = {"validate": "not this\n", "train": f"{klog}\nDataError: unreadable: /data/a.wav\n"}
    done = ser("submit", "--host", backend.url, "--package", PACKAGE, "--wait", "--json")
    assert done.returncode == 1
    ended = json.loads(done.stdout)
    assert (ended["run_id"], ended["state"]) == ("r0", "FAILED")
    assert ended["tasks"] == {"validate": "SUCCEEDED", "train": "FAILED"}
    assert ended["logs"] == {"train": "DataError: unreadable: /data/a.wav"}


def test_a_run_that_fails_before_its_first_task_shows_the_log_of_what_starts_tasks(backend: Backend) -> None:
    backend.progress = [{"root-driver": "FAILED"}]
    backend.logs = {"root-driver": "no such claim\n"}
    done = ser("submit", "--host", backend.url, "--package", PACKAGE, "--wait")
    assert done.returncode == 1
    assert "no such claim" in done.stdout
