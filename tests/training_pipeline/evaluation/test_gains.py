from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training_pipeline.data.dataset import DataSet
from training_pipeline.data.ravdess import ACTORS, EMOTIONS, clip_of
from training_pipeline.errors import DataError
from training_pipeline.evaluation.figures import Predictions
from training_pipeline.evaluation.gains import gain
from training_pipeline.evaluation.predictions import Run, measure_runs
from training_pipeline.reports.markdown import steps_table
from training_pipeline.training.examples import Examples

NAMES = [f"03-01-{e:02d}-01-01-01-{actor:02d}" for actor in range(1, ACTORS + 1) for e in range(1, 9)]
CLIPS = [clip for name in NAMES if (clip := clip_of(Path(name)))]
ACTOR = np.array([int(clip.speaker) for clip in CLIPS])
FOLD = np.where(ACTOR <= 4, 0, 1)  # folds of 4 and 20 speakers, which count alike


def run(right: np.ndarray, seed: int = 0, fold: np.ndarray = FOLD) -> Run:
    """Predictions that are right where `right` says so."""
    examples = Examples.of(DataSet(CLIPS, EMOTIONS), [])
    named = np.where(right, examples.targets, (examples.targets + 1) % len(EMOTIONS))
    return Run(seed, examples, Predictions(np.eye(len(EMOTIONS))[named], fold))


def test_a_gain_is_the_difference_of_the_means_over_folds_and_seeds() -> None:
    random = np.random.default_rng(0)
    before = [run(random.random(len(CLIPS)) < 0.3, seed) for seed in range(3)]
    after = [run(random.random(len(CLIPS)) < np.where(FOLD, 0.5, 0.9), seed) for seed in range(2)]
    found = gain(before, after)
    assert found.accuracy == pytest.approx(measure_runs(after)["accuracy"] - measure_runs(before)["accuracy"])
    assert found.interval
    assert found.interval[0] < found.accuracy < found.interval[1]


def test_the_same_gain_on_every_speaker_has_no_interval() -> None:
    found = gain([run(np.zeros(len(CLIPS), bool))], [run(np.arange(len(CLIPS)) % 4 == 0)])
    assert found.interval
    assert (found.accuracy, *found.interval) == pytest.approx((0.25, 0.25, 0.25))


def test_what_one_speaker_alone_brings_is_not_sure() -> None:
    found = gain([run(np.zeros(len(CLIPS), bool))], [run(ACTOR == 1)])
    assert found.accuracy == pytest.approx(1 / 8)  # one of four speakers of one of two folds
    assert found.interval
    assert found.interval[0] == 0


def test_a_gain_on_one_speaker_has_no_interval() -> None:
    own = Examples.of(DataSet(CLIPS[:8], EMOTIONS), [])
    right = Predictions(np.eye(len(EMOTIONS))[own.targets], FOLD[:8])
    wrong = Predictions(np.roll(right.probabilities, 1, axis=1), FOLD[:8])
    found = gain([Run(0, own, wrong)], [Run(0, own, right)])
    assert (found.accuracy, found.interval) == (1, None)
    assert "| `after` | 100.0% | +100.0 (interval not known) |" in steps_table({"before": 0, "after": 1}, [found])


def test_clips_may_stand_in_any_order() -> None:
    right = np.arange(len(CLIPS)) % 3 == 0
    one = run(right)
    order = np.random.default_rng(1).permutation(len(CLIPS))
    shuffled = Predictions(one.predictions.probabilities[order], FOLD[order])
    other = Run(0, Examples.of(DataSet([CLIPS[i] for i in order], EMOTIONS), []), shuffled)
    assert gain([one], [other]).accuracy == pytest.approx(0)


def test_other_folds_cannot_be_compared() -> None:
    right = np.ones(len(CLIPS), bool)
    with pytest.raises(DataError, match="same clips in the same folds"):
        gain([run(right)], [run(right, fold=1 - FOLD)])
