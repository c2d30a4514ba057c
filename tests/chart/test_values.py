"""Values: documented, closed, read; the generated files are current."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import CHART, ROOT, SCENARIOS, binary, refusal, render

LOCK = (ROOT / "requirements" / "dev.txt").read_text()


def leaves(tree: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if isinstance(tree, dict) and tree and path[-1:] not in (("resources",), ("topologySpread",), ("labels",)):
        return [leaf for key, value in tree.items() for leaf in leaves(value, (*path, key))]
    return [path]


def test_readme_and_schema_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "helm/generate.py", "--check"], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_every_value_is_read_by_a_template() -> None:
    text = "".join(path.read_text() for path in (CHART / "templates").rglob("*") if path.is_file())
    shared = {"gateway", "modelServer", "retraining"}
    unread = []
    for path in leaves(yaml.safe_load((CHART / "values.yaml").read_text())):
        name = path[-1]
        if path[:2] == ("gateway", "settings"):
            continue  # all of them are ranged over
        whole = ".".join(path)
        reads = f".Values.{whole}" in text or (
            bool(re.search(rf"[.]{name}\b", text)) and (path[0] in shared | {"monitoring"} or len(path) > 1)
        )
        if not reads:
            unread.append(whole)
    assert unread == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("gateway.replcas=2", "additional properties 'replcas' not allowed"),
        ("gatway.replicas=2", "additional properties 'gatway' not allowed"),
        ("gateway.settings.max_duraton_s=3", "additional properties 'max_duraton_s' not allowed"),
        ("gateway.settings.max_duration_s=9999", "maximum: got 9,999, want 3,600"),
        ("modelStore.type=nfs", "value must be one of 'image', 'pvc'"),
        ("gateway.image.digest=latest", "does not match pattern"),
        ("retraining.job.enabled=true", "set modelStore.type=pvc"),
        ("gateway.httpRoute.enabled=true", "set gateway.httpRoute.parentRefs"),
        ("modelServer.tls.enabled=true", "set modelServer.tls.secretName"),
        ("gateway.settings.port=80", "additional properties 'port' not allowed"),
    ],
)
def test_bad_values_are_refused_by_name(given: str, says: str) -> None:
    assert says in refusal(given)


def test_contradictions_are_refused_in_a_sentence() -> None:
    few = ("gateway.autoscaling.enabled=true", "gateway.autoscaling.minReplicas=9")
    assert "gateway.autoscaling.minReplicas is above maxReplicas" in refusal(*few)
    assert "retraining needs recordings" in refusal("retraining.job.enabled=true", "modelStore.type=pvc")


@pytest.mark.parametrize("values", SCENARIOS, ids=lambda path: path.stem)
def test_scenarios_render_and_lint(values: Path) -> None:
    assert render(values=values)
    lint = [binary(), "lint", "--strict", str(CHART), "-f", str(values), "--kube-version", "1.34.0"]
    done = subprocess.run(lint, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_server_s_tag_is_the_locked_api_s() -> None:
    locked = re.search(r"^tensorflow-serving-api==(\S+)", LOCK, re.MULTILINE)
    assert locked
    assert yaml.safe_load((CHART / "values.yaml").read_text())["modelServer"]["image"]["tag"] == locked[1]


@pytest.mark.parametrize("name", ["gateway", "pipeline", "protos", "build"])
def test_image_locks_say_what_the_whole_lock_says(name: str) -> None:
    """The images install what the tests ran with: same versions, same hashes."""
    packages = re.findall(r"^[a-z][^\n]*(?:\n +--hash[^\n]*)+", (ROOT / f"requirements/{name}.txt").read_text(), re.M)
    assert packages
    for package in packages:
        version = package.split(" ")[0]
        assert re.search(rf"^{re.escape(version)}[ ;\\]", LOCK, re.MULTILINE), version
        assert all(digest in LOCK for digest in re.findall(r"sha256:\w+", package)), version
