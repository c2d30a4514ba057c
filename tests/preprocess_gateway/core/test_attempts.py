"""Who is asked in a canary's place, and how often: stable, within the budget of retries where the canary is full."""

from __future__ import annotations

import time

import pytest

from preprocess_gateway.backend.retry import BURST
from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.attempts import with_fallback
from preprocess_gateway.errors import DeadlineError, GatewayError, ModelUnavailableError, OverloadedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError, SpeechEmotionError
from speech_emotion.features import SEED_SPEC
from tests.support.served import models

DESCRIPTION = Description(SEED_SPEC, ("calm",), {})
STABLE, CANARY = ServedVersion("stable", 1, DESCRIPTION), ServedVersion("canary", 2, DESCRIPTION)
FULL = OverloadedError("the model server is at capacity", reason="model_server")
LATE = DeadlineError("the model server did not answer in time")
REQUESTS = 40


def answered(canary_error: SpeechEmotionError, **settings: float) -> list[bool]:
    """Whether stable answered each of REQUESTS requests whose canary fails."""
    metrics = Metrics()
    with models(Settings(model_server="127.0.0.1:1", **settings), metrics) as served:
        model = served.default
        model.versions._known = {"stable": STABLE, "canary": CANARY}

        def steps(version: ServedVersion, _context: RequestContext) -> int:
            if version is CANARY:
                raise canary_error
            return version.version

        attempt, outcomes = with_fallback(steps, model, metrics), []
        for _ in range(REQUESTS):
            try:
                outcomes.append(attempt(CANARY, RequestContext(time.monotonic() + 120)) == 1)
            except GatewayError:
                outcomes.append(False)
    fallbacks = metrics.registry.get_sample_value("speech_emotion_canary_fallbacks_total", {"model": model.name})
    assert (fallbacks or 0) == sum(outcomes)
    return outcomes


@pytest.mark.parametrize("error", [FULL, LATE])
def test_a_canary_that_is_full_or_late_costs_stable_no_more_than_the_budget(error: GatewayError) -> None:
    assert answered(error) == [True] * int(BURST) + [False] * (REQUESTS - int(BURST))
    assert answered(error, retry_ratio=0) == [False] * REQUESTS


@pytest.mark.parametrize("error", [ContractError("wrong"), ModelUnavailableError("gone")])
def test_a_canary_that_is_broken_is_always_answered_by_stable(error: SpeechEmotionError) -> None:
    assert answered(error, retry_ratio=0) == [True] * REQUESTS


def test_why_a_canary_failed_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    error = ContractError("the model server refused the request")
    error.add_note("speech_emotion: INTERNAL: a node fails")
    answered(error)
    assert "version 2 as canary failed" in caplog.text
    assert "INTERNAL: a node fails" in caplog.text
