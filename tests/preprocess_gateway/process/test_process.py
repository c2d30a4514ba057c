from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.preprocess_gateway.conftest import CONFIG, FLAGS
from tests.support import clips
from tests.support.gateway import COMMAND, Gateway
from tests.support.model_server import ModelServer
from tests.support.ports import free_port
from tests.support.waiting import until


def test_tensorflows_runtime_is_not_in_the_process(gateway: Gateway) -> None:
    assert gateway.predict(clips.tone()).status_code == 200
    assert gateway.workers
    for pid in gateway.workers:
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "grpc" in maps  # what is mapped can be seen
        assert "libtensorflow" not in maps
        assert "_pywrap_tensorflow" not in maps


def test_probes_and_metrics_have_their_own_port(gateway: Gateway) -> None:
    gateway.predict(clips.tone())
    assert requests.get(f"{gateway.probes}/healthz", timeout=60).status_code == 200
    assert requests.get(f"{gateway.url}/metrics", timeout=60).status_code == 404
    scrape = requests.get(f"{gateway.probes}/metrics", timeout=60).text
    for series in (
        'speech_emotion_requests_total{route="/predict",status="200"}',
        'speech_emotion_stage_duration_seconds_count{stage="features"}',
        "speech_emotion_audio_seconds_total",
        'label="stable",model="speech_emotion",version="1"',
        "speech_emotion_confidence_ratio_bucket",
    ):
        assert series in scrape


def test_gunicorn_believes_nobody_by_itself(gateway: Gateway) -> None:
    """By default it believes these headers of whatever connects from loopback, such as `kubectl port-forward`."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "off", "SCRIPT_NAME": "/evil", "PATH_INFO": "/docs"}
    answer = requests.get(f"{gateway.url}/asyncapi.json", headers=headers, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["servers"] == {"gateway": {"host": f"127.0.0.1:{gateway.port}", "protocol": "ws"}}


def test_a_label_moves_between_versions_without_a_failed_request(tmp_path: Path, store: Path) -> None:
    config = tmp_path / "models.config"
    config.write_text(CONFIG.format(base=store / "speech_emotion", stable=1))
    with ModelServer(*FLAGS, config_file=config) as server, Gateway(server.address) as gateway:
        versions, deadline = set(), time.monotonic() + 120
        while 2 not in versions and time.monotonic() < deadline:
            response = gateway.predict(clips.tone())
            assert response.status_code == 200, response.text
            versions.add(response.json()["model"]["version"])
            config.write_text(CONFIG.format(base=store / "speech_emotion", stable=2))
        assert versions == {1, 2}


def test_a_dead_model_server_is_a_503_and_the_gateway_recovers(store: Path) -> None:
    with ModelServer(*FLAGS, config_file=store / "models.config") as server, Gateway(server.address) as gateway:
        assert gateway.predict(clips.tone()).status_code == 200
        server.stop()
        response = gateway.predict(clips.tone())
        assert (response.status_code, response.json()["code"]) == (503, "model_unavailable")
        assert int(response.headers["Retry-After"]) >= 1
        assert requests.get(f"{gateway.probes}/readyz", timeout=60).status_code == 200
        with ModelServer(*FLAGS, config_file=store / "models.config", port=server.port):
            until(lambda: gateway.predict(clips.tone()).status_code == 200)


def test_without_a_model_the_gateway_is_not_ready_but_answers() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gateway = Gateway(f"127.0.0.1:{unused.getsockname()[1]}").start(wait=False)
        try:
            gateway.wait_for(503)
            assert requests.get(f"{gateway.probes}/healthz", timeout=60).status_code == 200
            assert gateway.predict(clips.tone()).status_code == 503
        finally:
            gateway.stop()


def test_sigterm_drains_and_exits_with_0(model_server: ModelServer) -> None:
    gateway = Gateway(model_server.address, drain_s=10).start()
    assert gateway.process
    gateway.process.terminate()
    gateway.wait_for(503)
    assert gateway.predict(clips.tone()).status_code == 200
    assert gateway.process.wait(60) == 0
    gateway.stop()


def test_a_setting_out_of_bounds_is_named() -> None:
    done = subprocess.run(
        [sys.executable, *COMMAND],
        env={"GATEWAY_DEADLINE_S": "-1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "deadline_s" in done.stderr


@pytest.mark.parametrize("setting", ["GATEWAY_PORT", "GATEWAY_PROBE_PORT"])
def test_a_taken_port_is_said_with_its_setting(setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"GATEWAY_PORT": str(free_port()), "GATEWAY_PROBE_PORT": str(free_port()), setting: str(port)}
        done = subprocess.run(
            [sys.executable, *COMMAND],
            env={**os.environ, **ports},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert f": set {setting}" in done.stderr
    assert "Traceback" not in done.stderr
