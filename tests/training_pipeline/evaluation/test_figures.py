from __future__ import annotations

import numpy as np
import pytest

from training_pipeline.evaluation.figures import Predictions, measure
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
