"""The service below a path, through the cluster's ingress controller, in a real browser and for programs.

An Ingress keeps the path, an HTTPRoute takes it off; one release has both.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
import requests
from playwright.sync_api import Browser

from speech_emotion.client import Client, End
from speech_emotion.samples import FOLDER, samples
from tests.browser.published import listen_live, try_the_docs, use_the_page, watched_tab
from tests.cluster.kit import CHART, Cluster, wait_for
from tests.cluster.release import Release
from tests.cluster.test_install import GATEWAY
from tests.support import clips
from tests.support.browser import CHROMIUM, chromium

PATHS = {"kept": "/speech", "stripped": "/team/voice"}
RATE = 16_000


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """Under the name `localhost`, which browsers and programs find without a name server."""
    hosts = ("gateway.ingress.host=localhost", "gateway.httpRoute.hostnames[0]=localhost")
    cluster.apply(GATEWAY)
    with Release(cluster, "below-a-path", values=CHART / "ci" / "routes-values.yaml", sets=hosts) as release:
        release.helm("install")
        for path in PATHS.values():
            url = f"http://localhost:{cluster.address.rpartition(':')[2]}{path}/v1/models"
            wait_for(f"an answer below {path}", lambda url=url: requests.get(url, timeout=10).ok)
        yield release


@pytest.fixture(params=sorted(PATHS))
def url(release: Release, request: pytest.FixtureRequest) -> str:
    return f"http://localhost:{release.cluster.address.rpartition(':')[2]}{PATHS[request.param]}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install Debian's package `chromium`, or set CHROMIUM to the program")
    microphone = tmp_path_factory.mktemp("microphone") / "speech.wav"
    microphone.write_bytes(clips.tone(5.0))
    with chromium(microphone) as running:
        yield running


def test_page_docs_and_live_streams_work_in_a_browser(browser: Browser, url: str) -> None:
    with watched_tab(browser, url) as page:
        use_the_page(page, url)
        listen_live(page, url)
        try_the_docs(page, url)


def test_programs_reach_it_by_a_url_with_the_path(url: str) -> None:
    command = [sys.executable, "-m", "ser.main", "predict", str(FOLDER / samples()[0].file), "--url", url, "--csv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert samples()[0].emotion in done.stdout
    with Client(url) as client, client.stream(sample_rate=RATE) as stream:
        *_, end = stream.hear([clips.tone(2.0, RATE)[44:]])
    assert isinstance(end, End)


def test_the_service_says_where_clients_reach_it(url: str, release: Release) -> None:
    host, _, path = url.removeprefix("http://").partition("/")
    hostile = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    for headers in ({}, hostile):
        server = requests.get(f"{url}/asyncapi.json", headers=headers, timeout=60).json()["servers"]["gateway"]
        assert server == {"host": host, "protocol": "ws", "pathname": f"/{path}"}
        assert requests.get(f"{url}/nowhere", headers=headers, timeout=60).json()["type"] == f"/{path}/docs#not_found"
    secure = f"https://localhost:{release.cluster.secure_address.rpartition(':')[2]}/speech/asyncapi.json"
    server = httpx.get(secure, timeout=10, verify=False).json()["servers"]["gateway"]
    assert server["protocol"] == "wss"


def test_kubelet_and_prometheus_ask_without_the_path(release: Release) -> None:
    pod = release.ready("gateway")[0]
    probes = "import urllib.request as r; print([r.urlopen(f'http://127.0.0.1:9090{path}').status for path in %r])"
    paths = ["/readyz", "/speech/readyz", "/metrics"]
    assert release.kubectl("exec", pod, "-c", "gateway", "--", "python", "-c", probes % paths) == "[200, 200, 200]\n"
