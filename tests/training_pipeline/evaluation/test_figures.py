from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.evaluation.figures import Predictions, measure, measure_pooled
from training_pipeline.training.examples import Examples


def test_measures_of_known_predictions(examples: Examples) -> None:
    right = np.eye(3)[examples.targets]
    fold = np.arange(len(right)) % 2
    perfect = measure(Predictions(right, fold), examples)
    assert (perfect["accuracy"], perfect["uar"], perfect["ece"]) == (1, 1, 0)
    constant = measure(Predictions(np.eye(3)[np.zeros_like(examples.targets)], fold), examples)
    assert constant["per_label"][examples.emotions[0]]["recall"] == 1
    assert constant["per_label"][examples.emotions[1]]["precision"] == 0
    assert constant["ece"] == pytest.approx(2 / 3)


def test_pooled_figures_count_clips_and_not_folds() -> None:
    # A fold of three clips, all right, and one of a single clip, which is wrong and of an emotion that others lack.
    clips = [
        Clip(Path(f"{n}.wav"), emotion, "ab"[n == 3]) for n, emotion in enumerate(("glad", "glad", "sad", "cross"))
    ]
    few = Examples.of(DataSet(clips, ("glad", "sad", "cross")), [])
    predictions = Predictions(np.eye(3)[[0, 0, 1, 0]], np.array([0, 0, 0, 1]))
    folds, pooled = measure(predictions, few), measure_pooled(predictions, few)
    assert (folds["accuracy"], folds["uar"]) == (0.5, 0.5)
    assert (pooled["accuracy"], pooled["uar"]) == (0.75, pytest.approx(2 / 3))
    assert [fold["uar"] for fold in folds["folds"]] == [1, 0]
    same = folds.keys() - {"accuracy", "uar"}
    assert {name: folds[name] for name in same} == {name: pooled[name] for name in same}
