"""Versions that a model server could not load are in the metrics and, once, in the log."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from preprocess_gateway.backend.broken import BrokenVersions
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.features import SEED_SPEC
from tests.preprocess_gateway.conftest import FLAGS, LABELS
from tests.support import savedmodels
from tests.support.model_server import ModelServer
from tests.support.ports import free_port
from tests.support.served import client as client_of

RETRIES = ("--max_num_load_retries=1", "--load_retry_interval_micros=1000000")


def broken(metrics: Metrics) -> dict[str, float]:
    """The gauge of each version that has one."""
    (family,) = metrics.version_broken.collect()
    return {sample.labels["version"]: sample.value for sample in family.samples}


def test_a_version_that_cannot_be_loaded_is_in_the_metrics_until_it_can(
    binary: Path | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base, metrics = tmp_path / "speech_emotion", Metrics()
    savedmodels.write_linear(base / "1", SEED_SPEC.to_json(), LABELS, bins=SEED_SPEC.bins)
    config = tmp_path / "models.config"
    config.write_text(
        f'model_config_list {{ config {{ name: "speech_emotion" base_path: "{base}" model_platform: "tensorflow" '
        "model_version_policy { all {} } } }"
    )

    def until(expected: dict[str, float]) -> None:
        end = time.monotonic() + 120
        while broken(metrics) != expected:
            assert time.monotonic() < end, (broken(metrics), server.log)
            broken_versions.look()
            time.sleep(0.1)

    caplog.set_level(logging.WARNING)
    with (
        ModelServer(*FLAGS, *RETRIES, config_file=config, binary=binary) as server,
        client_of(Settings(model_server=server.address)) as client,
    ):
        broken_versions = BrokenVersions(client, metrics)
        broken_versions.look()
        assert broken(metrics) == {"1": 0}
        (base / "2").mkdir()
        (base / "2" / "saved_model.pb").write_bytes(b"no model")
        until({"1": 0, "2": 1})
        broken_versions.look()
        (said,) = (record.getMessage() for record in caplog.records if "cannot load" in record.getMessage())
        assert said.startswith("speech_emotion: the model server cannot load version 2: ")
        for name in (".new", ".later"):
            savedmodels.write_linear(base / name, SEED_SPEC.to_json(), LABELS, bins=SEED_SPEC.bins)
        (base / "2").rename(tmp_path / "away")
        (base / ".later").rename(base / "3")
        server.wait_for_version(3)  # so the server has looked since, and has seen that version 2 is gone
        (base / ".new").rename(base / "2")
        until({"1": 0, "2": 0, "3": 0})


def test_a_server_that_is_away_changes_nothing() -> None:
    metrics = Metrics()
    with client_of(Settings(model_server=f"127.0.0.1:{free_port()}")) as client:
        broken_versions = BrokenVersions(client, metrics)
        broken_versions._known = {7: "no model"}
        metrics.version_broken.labels("speech_emotion", 7).set(1)
        broken_versions.look()
    assert broken(metrics) == {"7": 1}
