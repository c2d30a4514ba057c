"""The walk of k8s/README.md on a real Kubeflow Pipelines: from two empty claims to an answer by the new version."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.conftest import KEEP, VALUES, VERSION
from tests.cluster.kit import ROOT, Cluster, run, wait_for
from tests.cluster.release import Release
from tests.support.clips import tone

KUBEFLOW = ROOT.parent / "shared" / "kubeflow" / "kubeflow"
NAMESPACE = "kubeflow"
IMAGE = f"docker.io/{VALUES['retraining']['image']['repository']}:{VERSION}"
CLAIM = (
    "modelStore.type=pvc",
    "modelStore.pvc.existingClaim=speech-emotion-models",
    "gateway.replicas=1",
    "modelServer.replicas=1",
)


@pytest.fixture(scope="module")
def endpoint(cluster: Cluster) -> Iterator[str]:
    """URL of a backend's API. The backend goes with all that was made in its namespace, unless work on it goes on."""
    if not KUBEFLOW.exists():
        pytest.skip(f"no {KUBEFLOW}")
    printed = run(KUBEFLOW, "up", env=cluster.environment, timeout_s=900)
    exports = dict(line.split(" ", 1)[1].split("=", 1) for line in printed.splitlines() if line.startswith("export "))
    try:
        yield exports["KFP_ENDPOINT"]
    finally:
        if not KEEP:
            run(KUBEFLOW, "down", env=cluster.environment, timeout_s=400)


@pytest.fixture(scope="module")
def release(cluster: Cluster, endpoint: str) -> Iterator[Release]:  # noqa: ARG001 - it makes the namespace
    release = Release(cluster, "speech", sets=CLAIM)
    release.namespace = NAMESPACE
    release.kubectl("apply", "-f", ROOT / "k8s" / "volumes.yaml")
    try:
        release.kubectl("wait", "--for=condition=Ready", "pod/volumes", "--timeout=180s")
        release.helm("install")
        yield release
    finally:
        cluster.helm("uninstall", release.name, "-n", NAMESPACE, "--ignore-not-found", check=False)
        # Claims are in use as long as the run's finished pods are there: they go with the backend's namespace.
        release.kubectl("delete", "--wait=false", "-f", ROOT / "k8s" / "volumes.yaml", check=False)


def ser(release: Release, *words: str) -> str:
    """In the pod that mounts both claims."""
    return release.kubectl("exec", "volumes", "--", "ser", *words)


def pipeline(*words: object) -> subprocess.CompletedProcess[str]:
    """`ser pipeline` on this machine."""
    command = [sys.executable, "-m", "ser.main", "pipeline", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)


def answering(release: Release) -> int:
    """The version that answers a client now."""
    body: dict[str, Any] = release.predict(tone()).json()
    return int(body["model"]["version"])


@pytest.mark.timeout(900, func_only=True)
def test_the_pipeline_leads_from_two_empty_claims_to_an_answer_by_the_new_version(
    release: Release, endpoint: str, report: Callable[[str, object], None], tmp_path: Path
) -> None:
    ser(release, "synthetic", "/data/synthetic")
    release.wait_for_answer()
    old = answering(release)
    package = tmp_path / "pipeline.yaml"
    compiled = pipeline("compile", "--output", package)
    assert compiled.returncode == 0, compiled.stderr
    begun = time.monotonic()
    done = pipeline(
        *("submit", "--host", endpoint, "--package", package, "--image", IMAGE, "--wait", "--json"),
        *("-p", "data=/data/synthetic/manifest.csv", "-p", f"servers={release.full_name}-model-server:8500"),
        *("-p", "folds=0", "-p", "memory=3Gi"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    ended = json.loads(done.stdout)
    assert ended["tasks"] == dict.fromkeys(("validate", "train", "release"), "SUCCEEDED"), done.stderr
    listed = json.loads(ser(release, "models", "list", "--json"))
    labels = {label: row["version"] for row in listed["versions"] for label in row["labels"]}
    new = labels["canary"]
    assert (labels["stable"], new > old) == (old, True)
    ser(release, "models", "promote")
    wait_for("an answer by the new version", lambda: answering(release) == new, 60)
    report("kubeflow", {"run_s": ended["seconds"], "serving_s": time.monotonic() - begun, "tasks": done.stderr})
