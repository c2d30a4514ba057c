"""Which of the environment's settings `ser` takes, and what it says of those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from preprocess_gateway.settings import Settings
from ser.clips import UsageError
from ser.gateway_settings import local_settings, service_settings
from ser.local import local_client
from ser.main import app

ROOT = Path(__file__).parents[2]


@pytest.fixture
def environment_of_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting is fine for some service, and for none within `ser predict`."""
    for name, value in {
        "GATEWAY_MAX_CONNECTIONS": "100",
        "GATEWAY_MODEL_NAMES": "other,another",
        "GATEWAY_MODEL_SERVER_CA_FILE": "/of/another/server.pem",
        "GATEWAY_PORT": "9090",
        "GATEWAY_WORKERS": "many",
        "GATEWAY_MIN_CONFIDENCE": "0.75",
        "GATEWAY_MAX_DURATION_S": "7",
        "GATEWAY_SILENCE_DBFS": "",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment_of_a_service")
def test_a_local_gateway_takes_what_changes_answers_and_no_more() -> None:
    settings = local_settings(max_recordings=64, model_name="mine")
    assert (settings.min_confidence, settings.max_duration_s) == (0.75, 7)
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    own = {"max_recordings": 64, "model_name": "mine", "min_confidence": 0.75, "max_duration_s": 7}
    assert settings.model_dump() == defaults | own


def test_a_variable_out_of_bounds_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_MIN_CONFIDENCE", "abc")
    monkeypatch.setenv("GATEWAY_MAX_CHANNELS", "0")
    clip, store = ROOT / "samples" / "calm.flac", ROOT / "models"
    done = CliRunner().invoke(app, ["predict", "--local", str(clip), "--store", str(store)])
    assert (done.exit_code, done.stdout) == (2, "")
    assert sorted(line.partition(": ")[0] for line in done.stderr.splitlines()) == [
        "GATEWAY_MAX_CHANNELS",
        "GATEWAY_MIN_CONFIDENCE",
    ]


def test_no_server_is_started_for_a_variable_out_of_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_MAX_SAMPLE_RATE", "1000")
    monkeypatch.setenv("GATEWAY_MIN_SAMPLE_RATE", "8000")
    monkeypatch.setattr("ser.local.start_model_server", None)
    said = "GATEWAY_MIN_SAMPLE_RATE is 8000 and GATEWAY_MAX_SAMPLE_RATE is 1000"
    with pytest.raises(UsageError, match=said), local_client(ROOT / "models", None, 1, 1):
        pass


@pytest.mark.usefixtures("environment_of_a_service")
def test_a_service_takes_the_environment_but_for_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"GATEWAY_MODEL_NAMES": "one,two", "GATEWAY_MODEL_SERVER_CA_FILE": ""}
    with pytest.raises(UsageError, match=r"^GATEWAY_WORKERS: "):
        service_settings(given)
    monkeypatch.setenv("GATEWAY_WORKERS", "2")
    with pytest.raises(UsageError, match=r"^GATEWAY_PORT and GATEWAY_PROBE_PORT are both 9090$"):
        service_settings(given)
    settings = service_settings({**given, "GATEWAY_PROBE_PORT": "9091"})
    assert (settings.models, settings.workers, settings.max_connections) == (("one", "two"), 2, 100)
    assert settings.model_server_ca_file is None
