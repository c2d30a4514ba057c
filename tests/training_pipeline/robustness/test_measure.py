"""Robustness of a model: the figures, and that clips are heard as the gateway hears them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from preprocess_gateway.settings import Settings
from speech_emotion.audio import Limits, QualityLimits
from speech_emotion.features import SEED_SPEC
from training_pipeline.networks.registry import find
from training_pipeline.reports.markdown import robustness_tables
from training_pipeline.robustness import measure
from training_pipeline.robustness.conditions import CONDITIONS
from training_pipeline.robustness.measure import Robustness, answers, figures, heard_features
from training_pipeline.robustness.sounds import SOUNDS
from training_pipeline.training.calibrate import MIN_CONFIDENCE
from training_pipeline.training.examples import Examples
from training_pipeline.training.train import Trained, train


@pytest.fixture(scope="module")
def trained(examples: Examples) -> Trained:
    return train(find("mlp"), examples, seed=0)


def test_thresholds_are_the_gateways_defaults() -> None:
    settings = Settings()
    assert settings.min_confidence == MIN_CONFIDENCE
    assert (settings.audio_limits, settings.quality_limits) == (Limits(), QualityLimits())


def test_figures_count_what_was_answered() -> None:
    sure, unsure = np.array([0.9, 0.1]), np.array([0.4, 0.3])
    assert figures([sure, sure, unsure, None], [0, 1, 0, 0]) == {
        "accuracy": 0.5,
        "files": 4,
        "no_speech": 0.25,
        "uncertain": 0.25,
        "confident": 0.5,
        "confidence": pytest.approx(2.2 / 3),
        "confidence_max": 0.9,
        "confidence_wrong": 0.9,
    }


def test_files_without_speech_have_no_confidence() -> None:
    assert figures([None]) == {
        "files": 1,
        "no_speech": 1.0,
        "uncertain": 0.0,
        "confident": 0.0,
        "confidence": None,
        "confidence_max": None,
    }


def test_a_file_without_speech_shifts_no_other_answer(trained: Trained, examples: Examples) -> None:
    first, second = examples.features[:2]
    rows = answers(trained, [first, np.empty((0, *first.shape[1:]), np.float32), second])
    assert rows[1] is None
    np.testing.assert_allclose(np.stack([rows[0], rows[2]]), trained.predict([first, second]))  # type: ignore[list-item]
    assert answers(trained, [first[:0]]) == [None]


def test_a_clip_as_recorded_is_heard_as_in_training(examples: Examples) -> None:
    heard = heard_features(examples.clips[0].path.read_bytes(), SEED_SPEC)
    np.testing.assert_allclose(heard, examples.features[0], atol=1e-5)


def test_of_several_corpora_the_first_alone_is_heard(
    trained: Trained, examples: Examples, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "TAKES", 1)
    clips = [replace(clip, corpus=("one", "other")[n % 3 == 2]) for n, clip in enumerate(examples.clips[:6])]
    several = replace(examples.subset(np.arange(6)), data=replace(examples.data, clips=clips))
    robustness = Robustness(SEED_SPEC, seed=3)
    robustness(trained, several)
    assert robustness.summary()["conditions"]["as recorded"]["files"] == 4


def test_means_over_folds_and_tables(trained: Trained, examples: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "TAKES", 2)
    robustness = Robustness(SEED_SPEC, seed=3)
    for part in np.split(np.arange(6), 2):
        robustness(trained, examples.subset(part))
    summary = robustness.summary()
    assert (summary["seed"], len(summary["folds"])) == (3, 2)
    assert (set(summary["conditions"]), set(summary["not_speech"])) == (set(CONDITIONS), set(SOUNDS))
    recorded = summary["conditions"]["as recorded"]
    right = trained.predict(examples.features[:6]).argmax(axis=1) == examples.targets[:6]
    assert (recorded["files"], recorded["accuracy"]) == (6, pytest.approx(right.mean()))
    assert summary["not_speech"]["digital silence"]["no_speech"] == 1.0
    assert summary["not_speech"]["digital silence"]["files"] == 4
    tables = robustness_tables({"mlp": summary})
    assert "## Robustness of `mlp`" in tables
    assert f"| as recorded | {recorded['accuracy']:.1%} |" in tables
    assert "| digital silence | 4 | 100.0% | 0.0% | 0.0% | none | none |" in tables
