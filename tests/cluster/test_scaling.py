"""The HorizontalPodAutoscaler under a real load, up and down."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.cluster.kit import CHART, Cluster, wait_for
from tests.cluster.release import Release
from tests.cluster.traffic import Traffic

SHORT = ("gateway.autoscaling.scaleDownAfterSeconds=10", "modelServer.autoscaling.scaleDownAfterSeconds=10")


@pytest.mark.timeout(600, func_only=True)
def test_load_scales_gateways_up_and_down_again(cluster: Cluster, report: Callable[[str, object], None]) -> None:
    values = CHART / "ci" / "autoscaling-values.yaml"
    with Release(cluster, "scaled", values=values, sets=SHORT) as release:
        release.helm("install")
        release.wait_for_answer()
        with Traffic(release, clients=3, pause_s=0) as traffic:
            begun = time.monotonic()
            wait_for("three gateways", lambda: len(release.ready("gateway")) == 3, 240)
            up_s = time.monotonic() - begun
        begun = time.monotonic()
        wait_for("one gateway", lambda: len(release.pods("gateway")) == 1, 240)
        down_s = time.monotonic() - begun
        summary = traffic.report.summary()
        report("scaling", {"seconds_up_to_3": round(up_s, 1), "seconds_down_to_1": round(down_s, 1), **summary})
        assert traffic.unheard == 0
        assert [(record.status, record.body) for record in traffic.report.failed] == []
