from __future__ import annotations

import numpy as np
import pytest

from training_pipeline.training.calibrate import expected_calibration_error, fit_temperature, softmax


def test_temperature_recovers_a_known_overconfidence() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=(20_000, 4))
    targets = np.array([random.choice(4, p=row) for row in softmax(logits)])
    assert fit_temperature(3 * logits, targets) == pytest.approx(3, rel=0.05)
    assert expected_calibration_error(softmax(logits), targets) < 0.02
    assert expected_calibration_error(softmax(3 * logits), targets) > 0.1
