"""The application is built from what it is given: it starts nothing and leaves nothing to close."""

from __future__ import annotations

import threading

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
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
