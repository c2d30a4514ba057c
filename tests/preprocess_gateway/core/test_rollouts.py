"""Deploys under constant load with real processes: not one failed or mis-featured request."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
import requests

from speech_emotion.features import SEED_SPEC
from tests.preprocess_gateway.conftest import FLAGS, LABELS
from tests.preprocess_gateway.core.test_canary import CLIP, OTHER_SPEC, config, expected, write_other
from tests.support import savedmodels
from tests.support.gateway import Gateway
from tests.support.load import Report, Send, post_raw, run_load
from tests.support.model_server import ModelServer

METRICS_PATH = "/monitoring/prometheus/metrics"


@pytest.fixture
def versions(tmp_path: Path) -> Path:
    """Two versions with different feature specs; `stable` is 1."""
    folder = tmp_path / "speech_emotion"
    savedmodels.write_linear(folder / "1", SEED_SPEC.to_json(), LABELS, seed=1, bins=SEED_SPEC.bins)
    write_other(folder / "2")
    (tmp_path / "models.config").write_text(config(tmp_path, stable=1))
    return tmp_path


@contextmanager
def constant_load(send: Send, clients: int = 2) -> Iterator[list[Report]]:
    """Load while the block runs and two seconds longer; the report is in the list afterwards."""
    reports: list[Report] = []
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run_load, send, clients=clients, seconds=600, pause_s=0.05, until=stop)
        try:
            time.sleep(2)
            yield reports
            time.sleep(2)
        finally:
            stop.set()
            reports.append(running.result())


def assert_all_right(report: Report) -> set[int]:
    """Every request was answered, with the features of the version that answered; which versions did."""
    assert len(report.records) > 20
    assert report.failed == [], report.failed[:3]
    right = {1: expected(SEED_SPEC, 1), 2: expected(OTHER_SPEC, 2)}
    seen = set()
    for record in report.records:
        answer = json.loads(record.body)
        version = answer["model"]["version"]
        np.testing.assert_allclose(list(answer["probabilities"].values()), right[version], atol=1e-5)
        seen.add(version)
    return seen


def wait_for_predictions(server: ModelServer) -> None:
    """Wait until the server has answered Predict calls since its start."""
    answered = re.compile(r'^:tensorflow:serving:request_count\{[^}]*status="OK"\} [1-9]', re.MULTILINE)
    end = time.monotonic() + 120
    while not answered.search(requests.get(f"http://127.0.0.1:{server.rest_port}{METRICS_PATH}", timeout=60).text):
        assert time.monotonic() < end, server.log
        time.sleep(0.1)


def balanced(gateways: list[Gateway]) -> Send:
    """Send to the first gateway that says it is ready, as a Service would."""

    def send(session: requests.Session) -> requests.Response:
        for gateway in list(gateways):
            try:
                if session.get(f"{gateway.probes}/readyz", timeout=60).status_code == 200:
                    break
            except (requests.ConnectionError, requests.Timeout):
                continue
        return post_raw(f"{gateway.url}/predict", CLIP)(session)

    return send


@pytest.mark.slow
def test_gateways_restarted_one_after_the_other(versions: Path) -> None:
    with ModelServer(*FLAGS, config_file=versions / "models.config") as server, ExitStack() as running:
        gateways = [running.enter_context(Gateway(server.address, drain_s=5)) for _ in range(2)]
        with constant_load(balanced(gateways)) as reports:
            for old in list(gateways):
                gateways.append(running.enter_context(Gateway(server.address, drain_s=5)))
                assert old.stop() == 0
                gateways.remove(old)
        assert assert_all_right(reports[0]) == {1}


@pytest.mark.slow
def test_a_model_server_restarted_where_two_run(binary: Path | None, versions: Path) -> None:
    monitoring = versions / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    flags = (*FLAGS, f"--monitoring_config_file={monitoring}")
    with (
        ModelServer(*flags, config_file=versions / "models.config", rest=True, binary=binary) as one,
        ModelServer(*flags, config_file=versions / "models.config", rest=True, binary=binary) as two,
        Gateway(f"ipv4:{one.address},{two.address}") as gateway,
    ):
        with constant_load(post_raw(f"{gateway.url}/predict", CLIP)) as reports:
            for server in (one, two):
                server.stop()
                time.sleep(1)
                server.start()
                wait_for_predictions(server)  # the gateway has found it
        assert assert_all_right(reports[0]) == {1}


def test_a_label_moved_to_a_version_with_another_spec(binary: Path | None, versions: Path) -> None:
    file = versions / "models.config"
    with (
        ModelServer(*FLAGS, config_file=file, binary=binary) as one,
        ModelServer(*FLAGS, config_file=file, binary=binary) as two,
        Gateway(f"ipv4:{one.address},{two.address}") as gateway,
    ):
        for server in (one, two):
            server.wait_for_version(2)
        with constant_load(post_raw(f"{gateway.url}/predict", CLIP)) as reports:
            for version in (2, 1, 2):
                file.write_text(config(versions, stable=version))
                gateway.seconds_until_version(version, CLIP)
                time.sleep(2)  # the servers read the file at different moments: both take part
        assert assert_all_right(reports[0]) == {1, 2}
