"""The application is built from what it is given: it starts nothing and leaves nothing to close."""

from __future__ import annotations

import threading

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.quotas import Ledger
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from tests.support.served import models


def test_it_starts_no_thread_and_can_be_built_twice_from_the_same_parts() -> None:
    settings, metrics = Settings(model_server="127.0.0.1:1"), Metrics()
    with models(settings, metrics) as served:
        predictor = Predictor(settings, served, metrics)
        before = set(threading.enumerate())
        apps = [create_app(settings, predictor, metrics) for _ in range(2)]
        assert [app.test_client().get("/openapi.json").status_code for app in apps] == [200, 200]
        assert set(threading.enumerate()) <= before


def test_a_clip_that_is_declared_too_large_is_refused_as_such_while_all_places_are_taken() -> None:
    settings, metrics, ledger = Settings(model_server="127.0.0.1:1"), Metrics(), Ledger()
    # With an origin, as a page of another one sends it: all else is turned away at the door.
    headers = {"Content-Type": "audio/wav", "Origin": "https://app.example"}
    with models(settings, metrics) as served:
        client = create_app(settings, Predictor(settings, served, metrics), metrics, ledger=ledger).test_client()
        assert ledger.quota("places", settings.places).take(settings.places)
        for length, status in ((settings.max_body_bytes, 503), (settings.max_body_bytes + 1, 413)):
            answer = client.post("/predict", headers=headers, environ_overrides={"CONTENT_LENGTH": str(length)})
            assert answer.status_code == status
