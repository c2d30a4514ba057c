"""Upgrades as people make them: old values kept, rendered manifests applied again."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.cluster.kit import CHART, ROOT, Cluster
from tests.cluster.release import Release
from tests.cluster.traffic import Traffic

OLD_VALUES = ROOT / "tests" / "chart" / "values" / "0.1.0.yaml"
ONE_EACH = ("gateway.replicas=1", "modelServer.replicas=1")


def chart_with_the_values_of_0_1_0(folder: Path) -> Path:
    """Of what chart 0.1.0 was, its values are kept: a later upgrade that reuses them has no others."""
    chart = folder / CHART.name
    shutil.copytree(CHART, chart)
    shutil.copyfile(OLD_VALUES, chart / "values.yaml")
    description = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**description, "version": "0.1.0"}))
    return chart


def apply(release: Release, manifests: str, *arguments: str) -> str:
    """Server-side apply; returns a line for each object."""
    done = subprocess.run(
        ["kubectl", "-n", release.namespace, *arguments, "-f", "-"],
        input=manifests,
        env=release.cluster.environment,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(600, func_only=True)
def test_an_upgrade_that_reuses_the_values_of_an_older_chart_loses_no_request(
    cluster: Cluster, report: Callable[[str, object], None], tmp_path: Path
) -> None:
    with Release(cluster, "kept", sets=ONE_EACH) as release:
        old = chart_with_the_values_of_0_1_0(tmp_path)
        sets = [word for each in release.sets for word in ("--set", each)]
        wait = ("--wait", "--timeout", "300s")
        cluster.helm("install", release.name, old, "-n", release.namespace, *sets, *wait, timeout_s=320)
        release.wait_for_answer()
        with Traffic(release, clients=2) as traffic, traffic.phase("upgrade that reuses values"):
            reuse = ("--reuse-values", "--set", "gateway.settings.retry_after_s=2", *wait)
            cluster.helm("upgrade", release.name, CHART, "-n", release.namespace, *reuse, timeout_s=320)
            release.wait_for_rollout()
        report("reused-values", traffic.report.summary())
        assert [(record.status, record.body) for record in traffic.report.failed] == []
        assert traffic.unheard == 0


def test_a_second_apply_of_what_was_rendered_changes_nothing(cluster: Cluster) -> None:
    """As GitOps tools do it, without a release of helm's."""
    with Release(cluster, "applied", sets=ONE_EACH) as release:
        sets = [word for each in release.sets for word in ("--set", each)]
        command = ["helm", "template", "applied", str(CHART), "--kube-version=1.34.0", "--skip-tests", *sets]
        rendered = [
            subprocess.run(command, env=cluster.environment, text=True, capture_output=True, check=True).stdout
            for _ in range(2)
        ]
        assert rendered[0] == rendered[1]
        server_side = ("apply", "--server-side", "--field-manager=gitops")
        apply(release, rendered[0], *server_side)
        before = versions(release)
        apply(release, rendered[1], *server_side)
        assert apply(release, rendered[1], "diff", "--server-side", "--field-manager=gitops") == ""
        assert versions(release) == before
        assert len(before) == 4


def versions(release: Release) -> dict[str, str]:
    """Versions of what was applied and nobody else writes to: any change raises one."""
    kinds = "services,configmaps"
    items = release.get(kinds, "-l", "app.kubernetes.io/instance=applied")["items"]
    return {item["metadata"]["name"] + item["kind"]: item["metadata"]["resourceVersion"] for item in items}
