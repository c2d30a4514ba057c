"""Every values file of ci/: install, test, ask, uninstall; nothing stays but the store's volume."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.kit import CHART, Cluster
from tests.cluster.release import Release
from tests.cluster.test_install import GATEWAY

SCENARIOS = sorted(path for path in (CHART / "ci").glob("*-values.yaml") if path.name != "bucket-values.yaml")
"""`test_bucket.py` installs the bucket's, with the server that it needs."""
KINDS = (
    "deployments,services,configmaps,secrets,ingresses,httproutes,hpa,pdb,networkpolicies,jobs,cronjobs,"
    "servicemonitors,prometheusrules,persistentvolumeclaims,serviceaccounts"
)

WITHOUT_ADDRESS = ("habits",)
"""Their load balancer never gets an address here, which helm would wait for."""


def test_there_are_scenarios() -> None:
    assert SCENARIOS


@pytest.mark.parametrize("values", SCENARIOS, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_scenario(cluster: Cluster, values: Path) -> None:
    name = values.name.removesuffix("-values.yaml")
    cluster.apply(GATEWAY)
    with Release(cluster, name, values=values) as release:
        release.helm("install", wait=name not in WITHOUT_ADDRESS)
        release.wait_for_rollout()
        assert "Phase:          Succeeded" in cluster.helm("test", name, "-n", name)
        cluster.helm("uninstall", name, "-n", name)
        selector = f"app.kubernetes.io/instance={name}"
        left = release.kubectl("get", KINDS, "-l", selector, "-o", "name").split()
        store = [f"persistentvolumeclaim/{release.full_name}-model-store"] if name == "pvc" else []
        assert left == store
        pods = release.get("pods", "-l", selector)["items"]
        assert [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]] == []
