from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from training_pipeline.networks.registry import find
from training_pipeline.training.examples import Examples
from training_pipeline.training.train import train


def test_training_twice_gives_the_same_probabilities(examples: Examples) -> None:
    one, two = (train(find("mlp"), examples, seed=3).predict(examples.features) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_a_trial_is_fitted_once_and_not_calibrated(examples: Examples) -> None:
    fitted = []

    def fit(*arguments: Any, **options: Any) -> Any:
        fitted.append(arguments)
        return find("mlp").fit(*arguments, **options)

    assert train(replace(find("mlp"), fit=fit, calibrated=False), examples, seed=0).temperature == 1
    assert len(fitted) == 1
