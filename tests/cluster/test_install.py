"""`helm install` with no values: ready, tested, and answering through Ingress and HTTPRoute."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.cluster.forward import reachable
from tests.cluster.kit import Cluster, run, wait_for
from tests.cluster.release import Release
from tests.support import escapes
from tests.support.clips import tone

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec:
  gatewayClassName: traefik
  listeners: [{name: web, port: 8000, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]
"""


@pytest.fixture(scope="module")
def release(cluster: Cluster, report: Callable[[str, object], None]) -> Iterator[Release]:
    with Release(cluster, "defaults") as release:
        begun = time.monotonic()
        release.helm("install", wait=False)
        release.wait_for_answer(300)
        report("install", {"seconds_to_first_answer": round(time.monotonic() - begun, 1)})
        for component in ("gateway", "model-server"):
            release.kubectl("rollout", "status", f"deployment/{release.full_name}-{component}", "--timeout=180s")
        yield release


def test_helm_test_passes(release: Release) -> None:
    printed = release.cluster.helm("test", release.name, "-n", release.namespace)
    assert "Phase:          Succeeded" in printed


def test_helm_test_passes_through_the_ingress_too(release: Release) -> None:
    host, port = release.cluster.address.split(":")
    with reachable(host, int(port)) as url:
        release.helm("upgrade", sets=[f"tests.ingressUrl={url}"])
        printed = release.cluster.helm("test", release.name, "-n", release.namespace)
    assert printed.count("Phase:          Succeeded") == 2


def test_originals_are_answered_through_the_ingress(release: Release, originals_dir: Path) -> None:
    clips = sorted(originals_dir.rglob("*.wav"))
    answers = [release.predict(clip.read_bytes()) for clip in clips]
    assert [answer.status_code for answer in answers] == [200] * len(clips)
    assert all(answer.json()["model"]["label"] == "stable" for answer in answers)


def test_originals_are_answered_through_an_http_route(release: Release, originals_dir: Path) -> None:
    release.cluster.apply(GATEWAY)
    route = (
        "gateway.httpRoute.enabled=true",
        "gateway.httpRoute.parentRefs[0].name=web",
        "gateway.httpRoute.parentRefs[0].namespace=default",
        "gateway.httpRoute.hostnames[0]=route.localhost",
    )
    release.helm("upgrade", sets=route)

    def answer(data: bytes) -> requests.Response:
        files = {"file": ("clip.wav", data)}
        return requests.post(release.url, files=files, headers={"Host": "route.localhost"}, timeout=30)

    wait_for("the route", lambda: answer(tone()).status_code == 200, 60)
    clips = sorted(originals_dir.rglob("*.wav"))
    assert [answer(clip.read_bytes()).status_code for clip in clips] == [200] * len(clips)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_the_notes_curl_works_as_printed(release: Release, tmp_path: Path, secure: bool) -> None:
    release.helm("upgrade", sets=[f"gateway.ingress.tls.enabled={str(secure).lower()}"])
    notes = release.cluster.helm("get", "notes", release.name, "-n", release.namespace)
    sample, curl = (
        line.strip()
        for line in notes.splitlines()
        if line.startswith(("  kubectl -n", "  curl")) and ("> sample.wav" in line or "ADDRESS" in line)
    )
    assert ("https://" in curl) is secure
    address = release.cluster.secure_address if secure else release.cluster.address
    script = f"cd {tmp_path} && {sample} && {curl.replace('ADDRESS', address)}"
    environment = release.cluster.environment
    # The controller takes a moment to follow a change of the Ingress.
    wait_for("an answer", lambda: '"emotion"' in run("sh", "-ec", script, env=environment, check=False), 30)


def test_pods_run_as_the_restricted_profile_wants(release: Release) -> None:
    for component in ("gateway", "model-server"):
        pod = release.ready(component)[0]
        container = component
        assert release.kubectl("exec", pod, "-c", container, "--", "id", "-u").strip() == "10001"
        printed = release.kubectl("exec", pod, "-c", container, "--", "touch", "/usr/x", check=False)
        assert "Read-only file system" in printed


def test_an_image_has_no_compiler(release: Release) -> None:
    look = "for tool in as c++ cc clang g++ gcc ld strip; do command -v $tool; done; true"
    assert release.kubectl("exec", release.ready("gateway")[0], "-c", "gateway", "--", "sh", "-c", look) == ""


COUNT_FILTERS = r"""
import json, pathlib, re
of_process = lambda folder: int(re.search(r"Seccomp_filters:\s*(\d+)", (folder / "status").read_text())[1])
processes = [path.parent for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")]
named = [one for one in processes if b"speech_emotion.audio.worker" in (one / "cmdline").read_bytes().split(b"\0")]
print(json.dumps([of_process(one) for one in (pathlib.Path("/proc/1"), *named)]))
"""
"""How many filters of system calls the container's first process has, and each of its decoders."""


def test_a_decoder_in_the_image_is_confined(release: Release) -> None:
    """Non-root, without capabilities, under RuntimeDefault: it can open, start and signal nothing all the same."""
    pod = release.ready("gateway")[0]
    program = Path(escapes.__file__).read_text()
    outcomes = json.loads(release.kubectl("exec", pod, "-c", "gateway", "--", "python", "-c", program))
    assert outcomes.keys() == escapes.ATTEMPTS.keys()
    assert {name: said for name, said in outcomes.items() if said not in escapes.REFUSED} == {}
    own, *decoders = json.loads(release.kubectl("exec", pod, "-c", "gateway", "--", "python", "-c", COUNT_FILTERS))
    assert decoders == [own + 1] * 2


def test_pods_hold_less_memory_than_their_limits(release: Release, report: Callable[[str, object], None]) -> None:
    """After all that was answered above; a fifth stays free for larger clips."""
    found = wait_for("figures of four pods", lambda: memory_mib(release), 90)
    report("memory", {name: f"{mib} MiB of {limit}" for name, (mib, limit) in sorted(found.items())})
    assert [name for name, (mib, limit) in found.items() if mib > 0.8 * limit] == []


def memory_mib(release: Release) -> dict[str, tuple[int, int]]:
    """By pod: working set as metrics-server has it, and the limit; empty until all pods have figures."""
    lines = release.kubectl("top", "pods", "--containers", "--no-headers", check=False).splitlines()
    ours = [line.split() for line in lines if line.startswith(release.full_name)]
    unit = {"Mi": 1, "Gi": 1024}
    limits = {
        component: int(text[:-2]) * unit[text[-2:]]
        for component in ("gateway", "model-server")
        for text in [release.pods(component)[0]["spec"]["containers"][0]["resources"]["limits"]["memory"]]
    }
    ready = {*release.ready("gateway"), *release.ready("model-server")}
    found = {pod: (int(memory.removesuffix("Mi")), limits[container]) for pod, container, _, memory in ours}
    return found if found.keys() >= ready else {}
