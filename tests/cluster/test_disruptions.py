"""Under constant load: what an operator does costs no request; a dead node costs what Kubernetes allows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.conftest import NEXT
from tests.cluster.kit import Cluster, wait_for
from tests.cluster.release import Release
from tests.cluster.traffic import Traffic

REQUESTS = 10_000
NODE = "node1"
NOTICED_S = 75
"""Seconds after which Kubernetes has taken a dead node's pods out of Services, with some to spare."""


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    # This cluster's DNS answers from its cache for 5 s, and a dead pod's address for 5 s more.
    with Release(cluster, "steady", sets=["modelServer.dnsRefreshSeconds=10"]) as release:
        release.helm("install")
        release.wait_for_answer()
        yield release


def settled(release: Release) -> None:
    """Wait until every pod that should be ready is, and none is on its way out."""
    for component in ("gateway", "model-server"):
        release.kubectl("rollout", "status", f"deployment/{release.full_name}-{component}", "--timeout=300s")
    selector = "app.kubernetes.io/component in (gateway,model-server)"
    count = 4
    wait_for("old pods to be gone", lambda: len(release.get("pods", "-l", selector)["items"]) == count, 180)


def delete_pod(release: Release, component: str) -> None:
    victim = release.ready(component)[0]
    release.kubectl("delete", "pod", victim)  # until it is gone: before, it counts as one of those that should be
    settled(release)


def gateway_images(release: Release) -> set[str]:
    """What the gateways' containers were really started from, by digest."""
    return {status["imageID"] for pod in release.pods("gateway") for status in pod["status"]["containerStatuses"]}


@pytest.mark.timeout(2000, func_only=True)
def test_operations_cost_no_request(release: Release, report: Callable[[str, object], None]) -> None:
    settings = ("gateway.settings.max_duration_s=30", "gateway.settings.retry_after_s=3")
    first = gateway_images(release)
    with Traffic(release, clients=6, pause_s=0.02) as traffic:
        with traffic.phase("upgrade to another image"):
            release.helm("upgrade", sets=[f"gateway.image.tag={NEXT}"])
            settled(release)
            upgraded = gateway_images(release)
        with traffic.phase("upgrade of settings"):
            release.helm("upgrade", sets=[f"gateway.image.tag={NEXT}", *settings])
            settled(release)
        with traffic.phase("rollback"):
            release.cluster.helm("rollback", release.name, "1", "-n", release.namespace, "--wait", timeout_s=320)
            settled(release)
            rolled_back = gateway_images(release)
        with traffic.phase("a gateway pod deleted"):
            delete_pod(release, "gateway")
        with traffic.phase("a model server pod deleted"):
            delete_pod(release, "model-server")
        with traffic.phase("a node drained"):
            drain = ("drain", NODE, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s")
            release.cluster.kubectl(*drain)
            settled(release)
        release.cluster.kubectl("uncordon", NODE)
        with traffic.phase("quiet"):
            while traffic.sent < REQUESTS and traffic.now_s < 1000:
                time.sleep(1)
    report("operations", traffic.figures())
    assert len(first) == len(upgraded) == 1
    assert first != upgraded
    assert rolled_back == first
    assert len(traffic.report.records) >= REQUESTS
    assert traffic.unheard == 0
    assert [(record.status, record.body) for record in traffic.report.failed] == []


def spread(release: Release) -> None:
    """See to it that each node has one pod of each kind."""
    release.cluster.kubectl("uncordon", NODE)
    for component in ("gateway", "model-server"):
        release.kubectl("rollout", "restart", f"deployment/{release.full_name}-{component}")
    settled(release)
    nodes = {(p["spec"]["nodeName"], c) for c in ("gateway", "model-server") for p in release.pods(c)}
    assert len(nodes) == 4, nodes


@pytest.mark.timeout(900, func_only=True)
def test_a_dead_node_costs_requests_until_it_is_noticed(
    release: Release, report: Callable[[str, object], None]
) -> None:
    spread(release)
    with Traffic(release, clients=8, timeout_s=15) as traffic:
        with traffic.phase("before"):
            time.sleep(10)
        with traffic.phase("the node dies"):
            killed_s = traffic.now_s
            release.cluster.kill(NODE)
            time.sleep(NOTICED_S)
        with traffic.phase("without the node"):
            time.sleep(20)
        with traffic.phase("the node is back"):
            release.cluster.revive(NODE)
            settled(release)
    failed = traffic.report.failed
    last_s = max((record.started_s + record.latency_s for record in failed), default=killed_s)
    report("node-killed", {"seconds_with_failures": round(last_s - killed_s, 1), **traffic.figures()})
    before, _, *after = traffic.phases
    # What was under way when the node died may have died with it.
    assert [r for r in traffic.during(before) if r.status != 200 and r.started_s + r.latency_s < killed_s] == []
    assert [r for p in after for r in traffic.during(p) if r.status != 200 and r.started_s > p.begun_s] == []
    assert last_s - killed_s < NOTICED_S + 15
