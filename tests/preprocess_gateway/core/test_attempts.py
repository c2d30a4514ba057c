"""What is wrapped around the steps of a clip: the version that is gone, the canary that fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from preprocess_gateway.backend.connection import VersionNotFoundError
from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.attempts import asked_again, with_fallback
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.errors import DeadlineError, ModelUnavailableError, OverloadedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError, CorruptAudioError
from speech_emotion.features import SEED_SPEC
from tests.support.served import models

DESCRIPTION = Description(SEED_SPEC, ("joy", "sorrow"), {})
GONE = VersionNotFoundError("gone")


@dataclass
class Labels:
    """What the model server says that labels mean."""

    versions: dict[str, int]

    def describe(self, label: str, _timeout_s: float) -> tuple[int, Description]:
        return self.versions[label], DESCRIPTION


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedModel]:
    """Stable is version 1, the canary version 2; both are known."""
    with models(Settings(model_server="127.0.0.1:1")) as served:
        model = served.default
        monkeypatch.setattr(model.versions, "_client", Labels({"stable": 1, "canary": 2}))
        monkeypatch.setattr(Labels, "model_name", "m", raising=False)
        for label in ("stable", "canary"):
            model.versions.resolve(label)
        yield model


class Steps:
    """Steps that fail as told, version by version; remembers whom it was asked with, and the seconds left."""

    def __init__(self, *errors: Exception | None) -> None:
        self._errors = iter(errors)
        self.asked: list[int] = []
        self.left_s: list[float] = []

    def __call__(self, version: ServedVersion, context: RequestContext) -> int:
        self.asked.append(version.version)
        self.left_s.append(context.left_s())
        if error := next(self._errors, None):
            raise error
        return version.version


def context() -> RequestContext:
    return RequestContext(time.monotonic() + 100)


def fallbacks(metrics: Metrics) -> float:
    labels = {"model": "speech_emotion"}
    return metrics.registry.get_sample_value("speech_emotion_canary_fallbacks_total", labels) or 0.0


def test_a_version_that_is_gone_is_asked_again_as_what_its_label_means_now(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = model.stable()
    monkeypatch.setattr(model.versions, "_client", Labels({"stable": 3}))
    steps = Steps(GONE)
    assert asked_again(steps, model)(before, context()) == 3
    assert steps.asked == [1, 3]
    assert model.stable().version == 3


def test_it_is_asked_again_once_and_for_no_other_reason(model: ServedModel) -> None:
    for error, asked in ((GONE, 2), (ModelUnavailableError("away"), 1), (CorruptAudioError("cut"), 1)):
        steps = Steps(error, error, error)
        with pytest.raises(type(error)):
            asked_again(steps, model)(model.stable(), context())
        assert len(steps.asked) == asked


@pytest.mark.parametrize(
    "error",
    [
        ContractError("broken"),
        DeadlineError("late"),
        ModelUnavailableError("away"),
        OverloadedError("full", reason="model_server"),
    ],
)
def test_a_canary_that_fails_is_answered_by_stable_within_the_time_that_is_left(
    model: ServedModel, error: Exception
) -> None:
    steps, metrics = Steps(error), Metrics()
    canary = model.versions.current("canary")
    assert with_fallback(steps, model, metrics)(canary, context()) == 1
    assert steps.asked == [2, 1]
    assert steps.left_s[0] == pytest.approx(50, abs=5)
    assert steps.left_s[1] == pytest.approx(100, abs=5)
    assert fallbacks(metrics) == 1


def test_stable_has_no_fallback_and_all_of_the_time(model: ServedModel) -> None:
    steps, metrics = Steps(ContractError("broken")), Metrics()
    with pytest.raises(ContractError):
        with_fallback(steps, model, metrics)(model.stable(), context())
    assert (steps.asked, fallbacks(metrics)) == ([1], 0)
    assert steps.left_s[0] == pytest.approx(100, abs=5)


def test_a_clip_that_is_broken_is_no_fault_of_the_canary(model: ServedModel) -> None:
    steps, metrics = Steps(CorruptAudioError("cut")), Metrics()
    with pytest.raises(CorruptAudioError):
        with_fallback(steps, model, metrics)(model.versions.current("canary"), context())
    assert (steps.asked, fallbacks(metrics)) == ([2], 0)


def test_a_canary_whose_version_is_gone_is_resolved_before_stable_is_asked(
    model: ServedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = model.versions.current("canary")
    monkeypatch.setattr(model.versions, "_client", Labels({"canary": 4}))
    wrap: Callable[[Steps], int] = lambda steps: with_fallback(asked_again(steps, model), model, Metrics())(  # noqa: E731
        canary, context()
    )
    assert wrap(first := Steps(GONE)) == 4
    assert wrap(second := Steps(GONE, GONE)) == 1
    assert (first.asked, second.asked) == ([2, 4], [2, 4, 1])
