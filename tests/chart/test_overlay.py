"""The kustomize example renders the chart with its own values and patch."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import ROOT, binary, one


def test_the_example_overlay_renders() -> None:
    kubectl = shutil.which("kubectl")
    if not kubectl:
        pytest.skip("kubectl is not installed")
    command = [kubectl, "kustomize", "--enable-helm", "--load-restrictor", "LoadRestrictionsNone"]
    path = f"{Path(binary()).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*command, "k8s/overlays/example"], cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    manifests = list(yaml.safe_load_all(done.stdout))
    assert one(manifests, "Service", "-gateway")["metadata"]["annotations"] == {"example.org/owner": "speech-team"}
    assert one(manifests, "Ingress")["spec"]["rules"][0]["host"] == "speech.example.org"
    assert one(manifests, "ConfigMap", "-gateway")["data"]["GATEWAY_MAX_DURATION_S"] == "120"
