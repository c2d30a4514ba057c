"""The chart, rendered by helm and read as data."""

from __future__ import annotations

import atexit
import functools
import lzma
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "speech-emotion"
PACKED = ROOT.parent / "shared" / "cluster" / "bin" / "helm.xz"
NAME = "r-speech-emotion"
APP_VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
SCENARIOS = sorted((CHART / "ci").glob("*-values.yaml"))

Manifest = dict[str, Any]


@functools.cache
def binary() -> str:
    """helm on the PATH, or the one that the cluster kit brings; skips the test where neither is there."""
    if found := shutil.which("helm"):
        return found
    if not PACKED.exists():
        pytest.skip("helm is not installed")
    folder = tempfile.mkdtemp(prefix="helm.")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    target = Path(folder) / "helm"
    with lzma.open(PACKED) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    target.chmod(0o755)
    return str(target)


def template(
    *sets: str, values: Path | tuple[Path, ...] = (), release: str = "r", chart: Path = CHART
) -> subprocess.CompletedProcess[str]:
    """`helm template`, as release `r` where none is named."""
    command = [binary(), "template", release, str(chart), "--namespace", "n", "--kube-version", "1.34.0"]
    files = [values] if isinstance(values, Path) else values
    command += [word for each in files for word in ("-f", str(each))]
    command += [word for each in sets for word in ("--set", each)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def render(*sets: str, values: Path | tuple[Path, ...] = (), release: str = "r", chart: Path = CHART) -> list[Manifest]:
    """What would be installed. Raises AssertionError with helm's message."""
    done = template(*sets, values=values, release=release, chart=chart)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def render_reused(values: Path, *sets: str) -> list[Manifest]:
    """What `helm upgrade --reuse-values` would install: the chart with these values alone in place of its own."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder) / CHART.name
        shutil.copytree(CHART, chart)
        shutil.copyfile(values, chart / "values.yaml")
        return render(*sets, chart=chart)


def refusal(*sets: str, release: str = "r") -> str:
    """helm's message about values that it must refuse."""
    done = template(*sets, release=release)
    assert done.returncode, "helm accepted this"
    return done.stderr


def one(manifests: list[Manifest], kind: str, name: str = "") -> Manifest:
    """The one manifest of a kind, or the one whose name ends so."""
    found = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"].endswith(name)]
    assert len(found) == 1, f"{len(found)} of {kind} {name}"
    return found[0]


def kinds(manifests: list[Manifest]) -> set[str]:
    return {manifest["kind"] for manifest in manifests}


def pod_specs(manifests: list[Manifest]) -> list[Manifest]:
    """Every pod's spec, whatever makes the pod."""
    specs = []
    for manifest in manifests:
        match manifest["kind"]:
            case "Pod":
                specs.append(manifest["spec"])
            case "Deployment" | "Job":
                specs.append(manifest["spec"]["template"]["spec"])
            case "CronJob":
                specs.append(manifest["spec"]["jobTemplate"]["spec"]["template"]["spec"])
    return specs


def container(manifests: list[Manifest], component: str) -> Manifest:
    """The main container of a component's Deployment."""
    found: Manifest = one(manifests, "Deployment", component)["spec"]["template"]["spec"]["containers"][0]
    return found
