"""`helm upgrade --reuse-values` hands the chart the values of an older one, without those that are new since then."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import APP_VERSION, CHART, Manifest, refusal, render, render_reused

OLD = sorted((Path(__file__).parent / "values").glob("*.yaml"))
TEMPLATES = sorted(
    path for path in (CHART / "templates").rglob("*") if path.is_file() and not path.name.startswith("_")
)


def by_name(manifests: list[Manifest]) -> dict[tuple[str, str], Manifest]:
    return {(each["kind"], each["metadata"]["name"]): each for each in manifests}


@pytest.mark.parametrize("values", OLD, ids=lambda path: path.stem)
def test_the_values_of_an_older_chart_render_what_the_new_defaults_do(values: Path) -> None:
    """Everything that the old chart did not know has its default; what it knew stays as it was."""
    old = yaml.safe_load(values.read_text())
    assert by_name(render_reused(values)) == by_name(render(values=values))
    kept = by_name(render_reused(values))["Deployment", "r-speech-emotion-gateway"]["spec"]
    assert kept["replicas"] == old["gateway"]["replicas"]


@pytest.mark.parametrize("values", OLD, ids=lambda path: path.stem)
def test_everything_of_an_older_chart_can_be_on(values: Path) -> None:
    sets = (
        *("modelStore.type=pvc", "retraining.data.existingClaim=c", "retraining.job.enabled=true"),
        *("retraining.cronJob.enabled=true", "networkPolicy.enabled=true", "modelServer.metrics.enabled=true"),
        *("gateway.autoscaling.enabled=true", "modelServer.autoscaling.enabled=true"),
        *("modelServer.tls.enabled=true", "modelServer.tls.secretName=s"),
        *("gateway.httpRoute.enabled=true", "gateway.httpRoute.parentRefs[0].name=web"),
        *(f"monitoring.{name}.enabled=true" for name in ("serviceMonitor", "prometheusRule", "dashboard")),
    )
    assert by_name(render_reused(values, *sets)) == by_name(render(*sets, values=values))


def test_a_default_that_was_taken_away_stays_away(tmp_path: Path) -> None:
    """Only an older chart's values get what they lack."""
    (tmp_path / "values.yaml").write_text("gateway: {topologySpread: null}\n")
    spec = by_name(render(values=tmp_path / "values.yaml"))["Deployment", "r-speech-emotion-gateway"]["spec"]
    assert "topologySpreadConstraints" not in spec["template"]["spec"]


def test_the_name_of_an_account_from_an_older_chart_is_kept() -> None:
    spec = by_name(render("gateway.serviceAccountName=mine"))["Deployment", "r-speech-emotion-gateway"]["spec"]
    assert spec["template"]["spec"]["serviceAccountName"] == "mine"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(CHART / "templates")))
def test_every_template_begins_with_the_defaults(path: Path) -> None:
    assert path.read_text().splitlines()[0] == '{{- include "speech-emotion.defaults" . }}'


def test_values_are_of_this_version() -> None:
    assert yaml.safe_load((CHART / "values.yaml").read_text())["valuesOf"] == APP_VERSION


LONGEST = "a" * 53


@pytest.mark.parametrize("release", [LONGEST, "my.team.speech", "speech-emotion", "s" * 39 + "-b"])
def test_every_name_of_any_release_fits_the_cluster(release: str) -> None:
    """Names of Services: 63 characters, of a CronJob: 52, without dots; labels: 63."""
    sets = (
        *("modelStore.type=pvc", "retraining.data.existingClaim=c", "retraining.job.enabled=true"),
        *("retraining.cronJob.enabled=true", "networkPolicy.enabled=true", "tests.ingressUrl=http://i"),
        *(f"{part}.serviceAccount.create=true" for part in ("gateway", "modelServer", "retraining")),
        *(f"monitoring.{name}.enabled=true" for name in ("serviceMonitor", "prometheusRule", "dashboard")),
    )
    manifests = render(*sets, release=release)
    for each in manifests:
        name = each["metadata"]["name"]
        assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name), name
        assert len(name) <= (52 if each["kind"] == "CronJob" else 63), name
        assert all(len(value) <= 63 for value in each["metadata"]["labels"].values())
        for service_port in each["spec"].get("ports", ()) if each["kind"] == "Service" else ():
            assert len(service_port["name"]) <= 15
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert len(names) == len(set(names))
    assert "fullnameOverride" in refusal(release="1" + release[1:])


def test_a_version_with_a_build_is_a_valid_label(tmp_path: Path) -> None:
    copy = tmp_path / "speech-emotion"
    shutil.copytree(CHART, copy)
    metadata = (copy / "Chart.yaml").read_text()
    (copy / "Chart.yaml").write_text(re.sub(r"(?m)^(version|appVersion): .*", r"\1: 1.2.3+build.5", metadata))
    labels = render(chart=copy)[0]["metadata"]["labels"]
    assert labels["helm.sh/chart"] == "speech-emotion-1.2.3_build.5"
    assert labels["app.kubernetes.io/version"] == "1.2.3_build.5"
