"""One cluster and one build of the images for all cluster tests; both are taken down, also after a failure."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.kit import CHART, KIT, REAL, ROOT, TF_SERVING, Cluster

VERSION = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
KEEP = bool(os.environ.get("CLUSTER_KEEP"))
"""For work on these tests: leave the cluster up, and take images as an earlier run built them."""
NEXT = "next"
"""Tag of a second image of the gateway: another label, same code."""
OVERCOMMIT = Path("/proc/sys/vm/overcommit_memory")
"""kubelet changes it for the whole machine, and other tests measure memory."""


def pytest_report_header() -> str:
    """Say which model server the chart is installed with."""
    server = f"TensorFlow Serving ({TF_SERVING})" if REAL else "modelServer.engine=builtin"
    return f"model server of the cluster tests: {server}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            if not item.get_closest_marker("timeout"):
                # Of the test alone: the first one's fixtures build images.
                item.add_marker(pytest.mark.timeout(600, func_only=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows its release, which is gone when people look."""
    outcome = yield
    if outcome.failed and (release := getattr(item, "funcargs", {}).get("release")):
        outcome.sections.append(("release", release.state()))
    return outcome


@pytest.fixture(scope="session")
def cluster(report: Callable[[str, object], None]) -> Iterator[Cluster]:
    if not KIT.exists():
        pytest.skip(f"no {KIT}")
    if os.geteuid():
        pytest.skip("the cluster needs root")
    overcommit = OVERCOMMIT.read_text()
    cluster = Cluster.start()
    try:
        if not KEEP or not cluster.kubectl("get", "namespaces", "-l", "images=built", "-o", "name"):
            report("images", {name: f"{seconds:.0f} s" for name, seconds in _build(cluster)})
        yield cluster
    finally:
        if KEEP:
            cluster.kubectl("label", "namespace", "default", "images=built", "--overwrite")
        else:
            cluster.stop()
            OVERCOMMIT.write_text(overcommit)


def _build(cluster: Cluster) -> Iterator[tuple[str, float]]:
    """Each image, and the seconds that it took to build and to load it into the nodes."""
    gateway, pipeline, builtin, server = (
        VALUES[part][image]
        for part, image in (
            ("gateway", "image"),
            ("retraining", "image"),
            ("modelServer", "builtinImage"),
            ("modelServer", "image"),
        )
    )
    images: list[tuple[str, Path, tuple[object, ...]]] = [
        (f"{gateway['repository']}:{VERSION}", ROOT, ("Dockerfile.gateway",)),
        (f"{gateway['repository']}:{NEXT}", ROOT, ("Dockerfile.gateway", "--build-arg", f"VERSION={NEXT}")),
        (f"{pipeline['repository']}:{VERSION}", ROOT, ("Dockerfile.pipeline",)),
        (f"{builtin['repository']}:{VERSION}", ROOT, ("Dockerfile.model_server", "--target", "builtin")),
    ]
    if REAL:
        images.append((f"{server['repository']}:{server['tag']}", TF_SERVING, (TF_SERVING / "Dockerfile",)))
    for image, context, how in images:
        begun = time.monotonic()
        cluster.image(f"docker.io/{image}", *map(str, how), context=context)
        yield image, time.monotonic() - begun


@pytest.fixture(scope="session")
def report() -> Callable[[str, object], None]:
    """Keep figures for people: reports/cluster/NAME.json, and a line on the terminal."""
    folder = ROOT / "reports" / "cluster"
    folder.mkdir(parents=True, exist_ok=True)

    def write(name: str, figures: object) -> None:
        (folder / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n")
        print(f"\n{name}: {json.dumps(figures)[:2000]}")

    return write
