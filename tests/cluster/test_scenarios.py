"""Every values file of ci/: install, test, ask, uninstall; nothing stays but the store's volume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.kit import CHART, Cluster
from tests.cluster.release import CHOSEN_BY_THE_CLUSTER, CHOSEN_ID, Release
from tests.cluster.test_install import GATEWAY

SCENARIOS = sorted(path for path in (CHART / "ci").glob("*-values.yaml") if path.name != "bucket-values.yaml")
"""`test_bucket.py` installs the bucket's, with the server that it needs."""
KINDS = (
    "deployments,services,configmaps,secrets,ingresses,httproutes,hpa,pdb,networkpolicies,jobs,cronjobs,"
    "servicemonitors,prometheusrules,persistentvolumeclaims,serviceaccounts"
)

WITHOUT_ADDRESS = ("habits",)
"""Their load balancer never gets an address here, which helm would wait for."""

SETS = {"openshift": CHOSEN_BY_THE_CLUSTER}
"""What the cluster adds to the values."""
ASK = "import urllib.request as u; print(u.urlopen('http://[::1]:9090/readyz', timeout=60).status)"


def as_chosen(release: Release) -> None:
    """Gateway and model server run under the id that the cluster chose, with group 0 and a root that is read-only."""
    for component in ("gateway", "model-server"):
        inside = ("exec", release.ready(component)[0], "-c", component, "--")
        assert release.kubectl(*inside, "id", "-u").strip() == str(CHOSEN_ID)
        assert release.kubectl(*inside, "id", "-g").strip() == "0"
        assert "Read-only file system" in release.kubectl(*inside, "touch", "/x", check=False)


def on_both_families(release: Release) -> None:
    """The pods of this cluster have IPv6 on loopback alone: the gateway answers there too."""
    inside = ("exec", release.ready("gateway")[0], "-c", "gateway", "--")
    assert release.kubectl(*inside, "python", "-c", ASK).strip() == "200"


CHECKS: dict[str, Callable[[Release], None]] = {"openshift": as_chosen, "dual-stack": on_both_families}


def test_there_are_scenarios() -> None:
    assert SCENARIOS


@pytest.mark.parametrize("values", SCENARIOS, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_scenario(cluster: Cluster, values: Path) -> None:
    name = values.name.removesuffix("-values.yaml")
    cluster.apply(GATEWAY)
    with Release(cluster, name, values=values, sets=SETS.get(name, ())) as release:
        release.helm("install", wait=name not in WITHOUT_ADDRESS)
        release.wait_for_rollout()
        assert "Phase:          Succeeded" in cluster.helm("test", name, "-n", name)
        CHECKS.get(name, lambda _release: None)(release)
        cluster.helm("uninstall", name, "-n", name)
        selector = f"app.kubernetes.io/instance={name}"
        left = release.kubectl("get", KINDS, "-l", selector, "-o", "name").split()
        store = [f"persistentvolumeclaim/{release.full_name}-model-store"] if name == "pvc" else []
        assert left == store
        pods = release.get("pods", "-l", selector)["items"]
        assert [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]] == []
