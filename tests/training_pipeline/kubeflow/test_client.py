"""What `ser pipeline submit` and `schedule` send, by the command itself."""

from __future__ import annotations

import json
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
    assert set(run["pipeline_spec"]) == {"pipeline_spec", "platform_spec"}
    assert "kubernetes" in run["pipeline_spec"]["platform_spec"]["platforms"]


def test_a_refusal_is_one_line(backend: Backend) -> None:
    done = ser("submit", "--host", backend.url, "--package", PACKAGE, "-p", "colour=red")
    assert done.returncode == 1
    assert "unknown parameter colour" in done.stderr
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


def test_a_parameter_that_the_pipeline_does_not_have_is_never_sent(backend: Backend) -> None:
    done = ser("submit", "--host", backend.url, "-p", "colour=red")
    assert done.returncode == 1
    assert "no parameter colour" in done.stderr
    assert backend.runs == []
