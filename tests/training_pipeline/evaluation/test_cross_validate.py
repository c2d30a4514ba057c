from __future__ import annotations

import json

import numpy as np
import pytest

from training_pipeline.data.folds import speaker_folds
from training_pipeline.evaluation.cross_validate import cross_validate
from training_pipeline.evaluation.figures import measure
from training_pipeline.networks.registry import find
from training_pipeline.training.examples import Examples


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ann", "mlp"])
def test_cross_validation_beats_chance_on_synthetic_speakers(name: str, examples: Examples) -> None:
    metrics = measure(cross_validate(find(name), examples, speaker_folds(examples.clips), seed=0), examples)
    assert metrics["accuracy"] > 0.5  # chance is a third
    assert np.sum(metrics["confusion"]) == metrics["clips"] == len(examples.clips)
    json.dumps(metrics)
