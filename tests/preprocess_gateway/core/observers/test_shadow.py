"""The comparison with the other label: what it asks, and what it leaves to clients alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pytest

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.answer import Model as Named
from preprocess_gateway.core.answer import PredictOptions, build_answer
from preprocess_gateway.core.observers.observer import Clip, Observation
from preprocess_gateway.core.observers.shadow import Shadow
from preprocess_gateway.core.served_models import ServedModel, ServedModels
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import STAGES, Metrics
from speech_emotion.audio import decode
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError
from speech_emotion.features import SEED_SPEC, FeatureSpec, Mel
from speech_emotion.hearing import hear, hear_channels, spoken_features
from tests.support import clips
from tests.support.served import models

Array = npt.NDArray[np.float32]
EMOTIONS = ("joy", "sorrow")
OTHER_SPEC = FeatureSpec(sample_rate=8_000, window_s=2, stride_s=1, blocks=(Mel(n_mels=20, scale="db"),))
SETTINGS = Settings(model_server="127.0.0.1:1", shadow_share=1)


@dataclass
class Server:
    """Answers every window with the same probabilities, or fails; remembers what it was asked."""

    row: tuple[float, ...] = (0.25, 0.75)
    error: Exception | None = None
    asked: list[tuple[Array, int, RequestContext]] = field(default_factory=list)
    model_name: str = "m"

    def predict(self, features: Array, version: int, context: RequestContext) -> Array:
        self.asked.append((features, version, context))
        if self.error:
            raise self.error
        return np.tile(np.array(self.row, np.float32), (len(features), 1))


@dataclass
class Setting:
    """A gateway whose canary is version 2, with the stub that is its model server."""

    served: ServedModels
    server: Server
    metrics: Metrics
    shadow: Shadow

    @property
    def model(self) -> ServedModel:
        return self.served.default

    def knows(self, *versions: ServedVersion) -> None:
        self.model.versions._known = {version.label: version for version in versions}

    def outcomes(self) -> dict[str, float]:
        name, value = "speech_emotion_shadow_comparisons_total", self.metrics.registry.get_sample_value
        return {
            outcome: value(name, {"model": self.model.name, "outcome": outcome}) or 0.0
            for outcome in ("agree", "disagree", "failed")
        }


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setting]:
    metrics = Metrics()
    with models(SETTINGS, metrics) as served:
        monkeypatch.setattr(served.default, "_client", server := Server())
        yield Setting(served, server, metrics, Shadow(SETTINGS, served, metrics))


def version(label: str, number: int, spec: FeatureSpec = SEED_SPEC) -> ServedVersion:
    return ServedVersion(label, number, Description(spec, EMOTIONS, {}))


def answered(data: bytes = clips.tone(), row: tuple[float, ...] = (0.25, 0.75)) -> Observation:
    """A clip as stable answered it."""
    clip, stable = Clip(*decode(data, SETTINGS.audio_limits)), version("stable", 1)
    heard = hear(clip.samples, clip.info, SEED_SPEC, SETTINGS.quality_limits)
    features = spoken_features(heard, SEED_SPEC)
    rows = np.tile(np.array(row, np.float32), (len(features), 1))
    named = Named(name="speech_emotion", version=1, label="stable")
    return Observation(clip, features, build_answer(rows, EMOTIONS, [heard], named, PredictOptions(), 0.5), stable)


@pytest.mark.parametrize(("row", "outcome"), [((0.1, 0.9), "agree"), ((0.9, 0.1), "disagree")])
def test_the_other_label_agrees_or_not(setting: Setting, row: tuple[float, ...], outcome: str) -> None:
    setting.knows(version("stable", 1), version("canary", 2))
    setting.server.row = row
    setting.shadow.observe(seen := answered())
    [(features, number, _)] = setting.server.asked
    assert number == 2
    assert features is seen.features or np.shares_memory(features, seen.features)  # the same spec makes the same ones
    assert setting.outcomes() == {"agree": 0, "disagree": 0, "failed": 0, outcome: 1}


@pytest.mark.parametrize(("row", "outcome"), [((0.7, 0.1, 0.2), "agree"), ((0.7, 0.2, 0.1), "disagree")])
def test_the_other_label_answers_among_the_emotions_that_the_client_asked_for(
    setting: Setting, row: tuple[float, ...], outcome: str
) -> None:
    canary = version("canary", 2)
    description = replace(canary.description, emotions=("bored", *EMOTIONS))
    setting.knows(version("stable", 1), replace(canary, description=description))
    setting.server.row = row
    seen = answered()
    setting.shadow.observe(replace(seen, options=PredictOptions(emotions=EMOTIONS)))
    assert setting.outcomes() == {"agree": 0, "disagree": 0, "failed": 0, outcome: 1}


def test_another_specification_hears_the_clip_anew(setting: Setting) -> None:
    setting.knows(version("stable", 1), version("canary", 2, OTHER_SPEC))
    setting.shadow.observe(seen := answered())
    [(features, _, _)] = setting.server.asked
    heard = hear(seen.clip.samples, seen.clip.info, OTHER_SPEC, SETTINGS.quality_limits)
    np.testing.assert_array_equal(features, spoken_features(heard, OTHER_SPEC))
    assert features.shape == (1, OTHER_SPEC.frames, OTHER_SPEC.bins)


def test_it_adds_nothing_to_the_stages_and_spends_no_retries(setting: Setting) -> None:
    setting.knows(version("stable", 1), version("canary", 2, OTHER_SPEC))
    setting.shadow.observe(answered())
    [(_, _, context)] = setting.server.asked
    assert not context.may_retry
    count = "speech_emotion_stage_duration_seconds_count"
    assert {setting.metrics.registry.get_sample_value(count, {"stage": stage}) for stage in STAGES} == {0}


def test_silence_is_agreed_on_without_a_call(setting: Setting) -> None:
    setting.knows(version("stable", 1), version("canary", 2))
    seen = answered(clips.silence())
    assert seen.answer.emotion is None
    setting.shadow.observe(seen)
    assert (setting.server.asked, setting.outcomes()["agree"]) == ([], 1)


def test_a_label_that_fails_is_counted_and_said(setting: Setting) -> None:
    setting.knows(version("stable", 1), version("canary", 2))
    setting.server.error = ContractError("broken")
    with pytest.raises(ContractError):
        setting.shadow.observe(answered())
    assert setting.outcomes() == {"agree": 0, "disagree": 0, "failed": 1}


def test_without_another_label_nothing_is_wanted_and_nothing_compared(setting: Setting) -> None:
    seen = answered()
    setting.knows(version("stable", 1))
    assert not setting.shadow.wants(seen.answer)
    setting.shadow.observe(seen)  # it was there when the clip was answered, and is gone now
    assert sum(setting.outcomes().values()) == 0
    setting.knows(version("stable", 1), version("canary", 2))
    assert setting.shadow.wants(seen.answer)


def test_channels_that_were_answered_separately_are_not_compared(setting: Setting) -> None:
    setting.knows(version("stable", 1), version("canary", 2))
    clip = Clip(*decode(clips.tone(channels=2), SETTINGS.audio_limits))
    parts = hear_channels(clip.samples, clip.info, SEED_SPEC, SETTINGS.quality_limits)
    named, options = Named(name="speech_emotion", version=1, label="stable"), PredictOptions(channels="separate")
    rows = np.tile(np.array([0.25, 0.75], np.float32), (len(parts), 1))
    assert not setting.shadow.wants(build_answer(rows, EMOTIONS, parts, named, options, 0.5))


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.3, 240, 360), (1.0, 1000, 1000)])
def test_a_share_of_clips_is_wanted(setting: Setting, share: float, low: int, high: int) -> None:
    setting.knows(version("stable", 1), version("canary", 2))
    settings = Settings(model_server="127.0.0.1:1", shadow_share=share)
    shadow, answer = Shadow(settings, setting.served, setting.metrics), answered().answer
    assert low <= sum(shadow.wants(answer) for _ in range(1000)) <= high
