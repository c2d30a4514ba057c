"""Windows of recordings and streams: in any blocks, in batches, and through changes of the model server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import numpy.typing as npt
import pytest

from preprocess_gateway.backend.connection import VersionNotFoundError
from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.context import RequestContext
from preprocess_gateway.core import windows as module
from preprocess_gateway.core.answer import PredictOptions
from preprocess_gateway.core.lane import Lanes
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.core.windows import AnsweredWindow, Asking, WindowAnswers
from preprocess_gateway.errors import DeadlineError, ModelUnavailableError, VersionChangedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError
from speech_emotion.features import FeatureSpec, Mel
from tests.support.clips import RATE, speech_like

SPEC = FeatureSpec(hop_length=400, window_s=2, stride_s=1, blocks=(Mel(n_mels=8),))
OTHER = SPEC.model_copy(update={"window_s": 1.0, "stride_s": 0.5})
EMOTIONS = ("joy", "calm")
Array = npt.NDArray[np.float32]
Say = Callable[[Array, ServedVersion], Array]


def version(
    number: int, label: str = "stable", spec: FeatureSpec = SPEC, emotions: Sequence[str] = EMOTIONS
) -> ServedVersion:
    return ServedVersion(label, number, Description(spec, tuple(emotions), {}))


def level(features: Array, _version: ServedVersion) -> Array:
    """An answer that differs for different features."""
    joy = np.clip(features.mean(axis=(1, 2)) % 1, 0, 1)
    return np.stack([joy, 1 - joy], axis=1).astype(np.float32)


class Model:
    """A model that answers what it is told to; `meaning` is what each label means when it is asked again."""

    name = "speech_emotion"

    def __init__(self, chosen: ServedVersion, say: Say = level, **meaning: ServedVersion) -> None:
        self.chosen, self.say, self.meaning = chosen, say, {"stable": chosen, **meaning}
        self.versions = self
        self.asked: list[tuple[int, int]] = []

    def choose(self, _affinity_key: str) -> ServedVersion:
        return self.chosen

    def resolve(self, label: str, _timeout_s: float) -> ServedVersion:
        return self.meaning[label]

    def is_canary(self, served: ServedVersion) -> bool:
        return served.label == "canary"

    def stable(self) -> ServedVersion:
        return self.meaning["stable"]

    def spend_retry(self) -> bool:
        return True

    def ask(self, features: Array, served: ServedVersion, _context: RequestContext) -> Array:
        self.asked.append((served.version, len(features)))
        return self.say(features, served)


def answers(
    model: Model, asking: Asking | None = None, channels: int = 1, lanes: Lanes | None = None, **settings: object
) -> WindowAnswers:
    told = Settings.model_validate({"model_server": "127.0.0.1:1", "lane_batch": 3, **settings})
    served = cast(ServedModel, model)
    return WindowAnswers(served, lanes or Lanes(0.25), told, Metrics(), RATE, channels, asking or Asking())


def heard(of: WindowAnswers, samples: Array, cuts: Sequence[int] = ()) -> list[AnsweredWindow]:
    blocks = np.split(samples, cuts, axis=1)
    return [window for block in blocks for window in of.feed(block)] + of.end()


def speech(seconds: float) -> Array:
    return speech_like(seconds).astype(np.float32)[np.newaxis]


def shown(windows: Sequence[AnsweredWindow]) -> list[tuple[int | None, float, float, bool]]:
    return [(each.channel, round(each.start_s, 2), round(each.end_s, 2), each.row is not None) for each in windows]


@pytest.mark.parametrize("seed", range(5))
def test_however_the_samples_are_cut_the_windows_are_the_same(seed: int) -> None:
    samples = speech(7.3)
    whole = heard(answers(Model(version(1))), samples)
    cuts = sorted(np.random.default_rng(seed).integers(0, samples.shape[1], 12))
    cut = heard(answers(Model(version(1))), samples, cuts)
    assert shown(cut) == shown(whole)
    for one, other in zip(whole, cut, strict=True):
        assert one.row == pytest.approx(other.row, abs=1e-4)


def test_a_recording_asks_in_batches_and_a_stream_about_each_window_at_once() -> None:
    model = Model(version(1))
    assert len(heard(answers(model), speech(9.0))) == 8
    assert [count for _, count in model.asked] == [3, 3, 2]
    model = Model(version(1))
    of = answers(model, Asking(live=True))
    counts = [len(of.feed(block)) for block in np.split(speech(9.0), 18, axis=1)]
    assert max(counts) == 1
    assert {count for _, count in model.asked} == {1}


def test_beside_short_requests_a_recording_asks_about_one_window_at_a_time() -> None:
    model, lanes = Model(version(1)), Lanes(1.0)
    with lanes.short_request():
        assert len(heard(answers(model, lanes=lanes), speech(9.0))) == 8
    assert {count for _, count in model.asked} == {1}


def test_what_has_no_speech_is_answered_without_the_model_and_in_its_place() -> None:
    samples = np.concatenate([speech(3.0), 0 * speech(12.0), speech(4.0)], axis=1)
    model = Model(version(1))
    windows = heard(answers(model), samples)
    assert [window.start_s for window in windows] == sorted(window.start_s for window in windows)
    spoken = sum(window.row is not None for window in windows)
    assert sum(count for _, count in model.asked) == spoken
    assert 0 < spoken < len(windows)


def test_separate_channels_take_turns_and_one_that_is_silent_is_not_asked_about() -> None:
    samples = np.concatenate([speech(5.0), 0 * speech(5.0)])
    model = Model(version(1))
    of = answers(model, Asking(PredictOptions(channels="separate")), channels=2)
    windows = heard(of, samples)
    assert [window.channel for window in windows] == [1, 2] * (len(windows) // 2)
    assert {window.channel: window.row is not None for window in windows} == {1: True, 2: False}
    assert len(of.warnings) == 2


def test_another_stride_gives_more_windows() -> None:
    assert len(heard(answers(Model(version(1)), Asking(stride_s=0.5)), speech(4.0))) > len(
        heard(answers(Model(version(1))), speech(4.0))
    )


def test_a_version_that_is_gone_is_followed_by_one_that_hears_alike() -> None:
    def say(features: Array, served: ServedVersion) -> Array:
        if served.version == 1 and len(model.asked) > 1:
            raise VersionNotFoundError("gone")
        return level(features, served)

    model = Model(version(1), say, stable=version(2))
    of = answers(model)
    assert len(heard(of, speech(9.0))) == 8
    assert of.version.version == 2
    assert [number for number, _ in model.asked] == [1, 1, 2, 2]


@pytest.mark.parametrize("successor", [version(2, spec=OTHER), version(2, emotions=("calm", "joy"))])
def test_a_version_that_hears_in_another_way_ends_it(successor: ServedVersion) -> None:
    def say(features: Array, served: ServedVersion) -> Array:
        if served.version == 1:
            raise VersionNotFoundError("gone")
        return level(features, served)

    of = answers(Model(version(1), say, stable=successor))
    with pytest.raises(VersionChangedError):
        heard(of, speech(9.0))
    assert of.successor == successor


def test_a_canary_that_fails_is_followed_by_stable() -> None:
    def say(features: Array, served: ServedVersion) -> Array:
        if served.label == "canary":
            raise ContractError("broken")
        return level(features, served)

    model = Model(version(2, "canary"), say, stable=version(1))
    of = answers(model)
    heard(of, speech(9.0))
    assert (of.version.version, of.version.label) == (1, "stable")
    assert [number for number, _ in model.asked] == [2, 1, 1, 1]  # the canary is not tried again


def test_a_server_that_is_away_is_asked_again_until_the_windows_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_PAUSE_S", 0.02)

    def say(features: Array, served: ServedVersion) -> Array:
        if len(model.asked) < 4:
            raise ModelUnavailableError("away")
        return level(features, served)

    model = Model(version(1), say)
    assert len(heard(answers(model), speech(4.0))) == 3
    assert len(model.asked) == 4
    model.asked.clear()
    with pytest.raises(ModelUnavailableError):
        heard(answers(model, window_deadline_s=0.01), speech(4.0))
    assert len(model.asked) == 1


def test_a_server_that_stays_away_is_the_error_even_if_the_last_call_runs_out_of_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "RETRY_PAUSE_S", 0.02)

    def say(_features: Array, _version: ServedVersion) -> Array:
        raise ModelUnavailableError("away") if len(model.asked) == 1 else DeadlineError("late")

    model = Model(version(1), say)
    with pytest.raises(ModelUnavailableError, match="away"):
        heard(answers(model), speech(4.0))
    assert len(model.asked) == 2


def test_nothing_is_asked_again_once_nobody_waits() -> None:
    def say(_features: Array, _version: ServedVersion) -> Array:
        raise ModelUnavailableError("away")

    model, stopped = Model(version(1), say), threading.Event()
    stopped.set()
    with pytest.raises(ModelUnavailableError):
        heard(answers(model, replace(Asking(), stopped=stopped)), speech(4.0))
    assert len(model.asked) == 1


def test_steps_wait_for_short_requests() -> None:
    lanes, done = Lanes(0.001), threading.Event()

    def work() -> None:
        heard(answers(Model(version(1)), lanes=lanes), speech(9.0))
        done.set()

    thread = threading.Thread(target=work)
    with lanes.short_request():
        thread.start()
        assert not done.wait(0.3)  # a step of 5 ms is followed by a pause of 5 s
    thread.join()
    assert done.is_set()


def test_a_window_is_described_as_it_is_in_a_timeline() -> None:
    row = np.array([0.25, 0.75], np.float32)
    said = AnsweredWindow(2, 1.00049, 3, row).describe(EMOTIONS, 1, 0.8)
    assert said.model_dump(exclude_unset=True) == {
        "channel": 2, "start_s": 1.0, "end_s": 3, "emotion": "calm", "confidence": 0.75,
        "probabilities": {"calm": 0.75}, "uncertain": True,
    }  # fmt: skip
    silent = AnsweredWindow(None, 1, 3, None).describe(EMOTIONS, 1, 0.8).model_dump(exclude_unset=True)
    assert (silent["emotion"], silent["reason"], silent["uncertain"]) == (None, "no_speech", False)
    assert "channel" not in silent
