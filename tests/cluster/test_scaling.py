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
def test_load_scales_both_parts_up_and_down_again(cluster: Cluster, report: Callable[[str, object], None]) -> None:
    values = CHART / "ci" / "autoscaling-values.yaml"
    with Release(cluster, "scaled", values=values, sets=SHORT) as release:
        release.helm("install")
        release.wait_for_answer()
        with Traffic(release, clients=3, pause_s=0) as traffic:
            begun = time.monotonic()
            wait_for("three gateways", lambda: len(release.ready("gateway")) == 3, 240)
            up_s = time.monotonic() - begun
            wait_for("two model servers", lambda: len(release.ready("model-server")) == 2, 240)
            server_up_s = time.monotonic() - begun
        begun = time.monotonic()
        wait_for("one gateway", lambda: len(release.pods("gateway")) == 1, 240)
        down_s = time.monotonic() - begun
        wait_for("one model server", lambda: len(release.pods("model-server")) == 1, 240)
        seconds = {
            "three_gateways": up_s,
            "two_model_servers": server_up_s,
            "one_gateway": down_s,
            "one_model_server": time.monotonic() - begun,
        }
        summary = traffic.report.summary()
        report("scaling", {"seconds_to": {what: round(took, 1) for what, took in seconds.items()}, **summary})
        assert traffic.unheard == 0
        assert [(record.status, record.body) for record in traffic.report.failed] == []
