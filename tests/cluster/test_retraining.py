"""Retraining on the cluster: a Job makes a version, which goes from canary to stable and back, under load.

All pods have a user id that the cluster chose, with group 0, as on OpenShift.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml

from tests.cluster.kit import ROOT, Cluster, wait_for
from tests.cluster.release import CHOSEN_BY_THE_CLUSTER, CHOSEN_ID, Release
from tests.cluster.traffic import Traffic
from tests.support.clips import tone

RECORDINGS = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: recordings}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
"""
JOB = (
    "retraining.job.enabled=true",
    "retraining.data.existingClaim=recordings",
    "retraining.data.path=/data/manifest.csv",
    "retraining.model=mlp",
    "retraining.resources.requests.cpu=50m",
    "retraining.retries=0",
    # Its labels are not those of the shipped model: such a version becomes canary at most.
    "retraining.extraArgs={--folds=0}",
)


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    sets = ("modelStore.type=pvc", "modelServer.dnsRefreshSeconds=10", *CHOSEN_BY_THE_CLUSTER)
    with Release(cluster, "retrain", sets=sets) as release:
        release.helm("install")
        release.wait_for_answer()
        pod = yaml.safe_load((ROOT / "k8s" / "model-store.yaml").read_text())
        spec = pod["spec"]
        spec["securityContext"].update(runAsUser=CHOSEN_ID, runAsGroup=0, fsGroup=CHOSEN_ID)
        spec["containers"][0]["env"][1]["value"] = f"{release.full_name}-model-server:8500"
        spec["containers"][0]["volumeMounts"].append({"name": "data", "mountPath": "/data"})
        spec["volumes"][0]["persistentVolumeClaim"]["claimName"] = f"{release.full_name}-model-store"
        spec["volumes"].append({"name": "data", "persistentVolumeClaim": {"claimName": "recordings"}})
        pod["metadata"]["namespace"] = release.namespace
        claim = yaml.safe_load(RECORDINGS)
        claim["metadata"]["namespace"] = release.namespace
        cluster.apply(yaml.safe_dump_all([claim, pod]))
        release.kubectl("wait", "pod/model-store", "--for=condition=Ready", "--timeout=120s")
        ser(release, "synthetic", "/data")
        yield release


def ser(release: Release, *words: str) -> str:
    return release.kubectl("exec", "model-store", "--", "ser", *words)


def labels(release: Release) -> dict[str, int]:
    """Which version each label names."""
    listed = json.loads(ser(release, "models", "list", "--json"))
    return {label: row["version"] for row in listed["versions"] for label in row["labels"]}


def answering(release: Release) -> int:
    """The version that answers a client now."""
    body: dict[str, Any] = release.predict(tone()).json()
    return int(body["model"]["version"])


@pytest.mark.timeout(900, func_only=True)
def test_a_version_comes_and_goes_without_a_failed_request(
    release: Release, report: Callable[[str, object], None]
) -> None:
    old = labels(release)["stable"]
    new = old + 1
    with Traffic(release, clients=3, pause_s=0.1) as traffic:
        with traffic.phase("retraining Job"):
            release.helm("upgrade", sets=JOB)
            job = f"job/{release.full_name}-retraining-2"
            release.kubectl("wait", job, "--for=condition=Complete", "--timeout=500s", timeout_s=520)
            assert labels(release) == {"stable": old, "canary": new}
        with traffic.phase("promotion"):
            ser(release, "models", "promote")
            wait_for("the new version", lambda: answering(release) == new, 60)
        with traffic.phase("rollback"):
            ser(release, "models", "rollback")
            wait_for("the old version", lambda: answering(release) == old, 60)
    report("retraining", traffic.figures())
    assert traffic.unheard == 0
    assert [(record.status, record.body) for record in traffic.report.failed] == []
