"""How recordings are counted that end by a defect of ours, in process."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.core.recordings import Event, Progress
from preprocess_gateway.errors import OverloadedError
from preprocess_gateway.http.app import create_app
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from tests.support.served import models


def defect(*_: object) -> Iterator[Event]:
    raise ZeroDivisionError
    yield


def late_defect(*_: object) -> Iterator[Event]:
    yield Progress(1.0, None)
    raise ZeroDivisionError


def refusal(*_: object) -> Iterator[Event]:
    raise OverloadedError("no", reason="recordings")
    yield


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson", "text/csv"])
@pytest.mark.parametrize(
    ("answer", "outcome"), [(defect, "internal_error"), (late_defect, "internal_error"), (refusal, "overloaded")]
)
def test_a_defect_is_no_client_that_has_gone(
    answer: object, outcome: str, accept: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings, metrics = Settings(model_server="127.0.0.1:1"), Metrics()
    with models(settings, metrics) as served, caplog.at_level(logging.INFO):
        predictor = Predictor(settings, served, metrics)
        monkeypatch.setattr(predictor.recordings, "answer", answer)
        client = create_app(settings, predictor, metrics).test_client()
        headers = {"Content-Type": "audio/wav", "Accept": accept}
        with client.post("/v1/recordings", data=b"any", headers=headers) as response:
            assert outcome in response.get_data(as_text=True)
    counted = f'speech_emotion_recordings_total{{outcome="{outcome}"}} 1.0'
    lines = metrics.exposition().decode().splitlines()
    risen = [
        line for line in lines if line.startswith("speech_emotion_recordings_total{") and not line.endswith(" 0.0")
    ]
    assert risen == [counted]
    ended = [record for record in caplog.records if record.getMessage() == "recording ended"]
    assert [record.code for record in ended] == [outcome]  # type: ignore[attr-defined]
    assert sum(record.getMessage() == "request failed" for record in caplog.records) == (outcome == "internal_error")
