"""The examples for Argo CD and Flux name this chart, and their values are values of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.chart.helm import APP_VERSION, CHART, ROOT, kinds, render
from tests.chart.schemas import complaints

FOLDER = ROOT / "k8s" / "gitops"
(APPLICATION,) = yaml.safe_load_all((FOLDER / "argocd.yaml").read_text())
REPOSITORY, RELEASE = yaml.safe_load_all((FOLDER / "flux.yaml").read_text())
CHARTS = "ghcr.io/OWNER/charts"


def check(values: dict[str, Any], folder: Path) -> None:
    """They render, and what they render is valid."""
    (folder / "values.yaml").write_text(yaml.safe_dump(values))
    manifests = render(values=folder / "values.yaml")
    assert "HorizontalPodAutoscaler" in kinds(manifests)
    assert [said for each in manifests for said in complaints(each)] == []


def test_an_application_of_argo_cd(tmp_path: Path) -> None:
    assert (APPLICATION["apiVersion"], APPLICATION["kind"]) == ("argoproj.io/v1alpha1", "Application")
    source = APPLICATION["spec"]["source"]
    assert (source["repoURL"], source["chart"], source["targetRevision"]) == (CHARTS, CHART.name, APP_VERSION)
    assert "ServerSideApply=true" in APPLICATION["spec"]["syncPolicy"]["syncOptions"]
    check(source["helm"]["valuesObject"], tmp_path)


def test_a_helm_release_of_flux(tmp_path: Path) -> None:
    assert (RELEASE["apiVersion"], RELEASE["kind"]) == ("helm.toolkit.fluxcd.io/v2", "HelmRelease")
    chart = RELEASE["spec"]["chart"]["spec"]
    assert (chart["chart"], chart["version"]) == (CHART.name, APP_VERSION)
    assert (chart["sourceRef"]["kind"], chart["sourceRef"]["name"]) == (
        "HelmRepository",
        REPOSITORY["metadata"]["name"],
    )
    assert REPOSITORY["spec"] == {"type": "oci", "url": f"oci://{CHARTS}", "interval": "1h"}
    check(RELEASE["spec"]["values"], tmp_path)


def test_both_install_the_same() -> None:
    assert RELEASE["spec"]["values"] == APPLICATION["spec"]["source"]["helm"]["valuesObject"]
