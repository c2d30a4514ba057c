"""Calibrations whose numbers are known, recovered from answers that follow from them."""

from __future__ import annotations

import numpy as np
import pytest

from training_pipeline.training.calibrate import softmax
from training_pipeline.training.calibration import SHARPNESS, Calibration, HeldOut, Numbers, calibrated, fit_numbers
from training_pipeline.training.unlikeness import Unlikeness


def drawn(logits: np.ndarray) -> np.ndarray:
    """Targets that are as the logits say."""
    random = np.random.default_rng(1)
    below = softmax(logits).cumsum(axis=1) < random.random(len(logits))[:, np.newaxis]
    return np.asarray(below.sum(axis=1))


def test_a_temperature_that_rises_with_unlikeness_is_recovered() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20_000, 5))
    distances = random.uniform(0, 10, (len(logits), 1))
    overconfident = logits * 0.8 * (1 + distances) ** 0.5
    single = (
        overconfident.astype(np.float32),
        drawn(logits),
        distances.astype(np.float32),
    )
    found = fit_numbers([HeldOut(*single, np.array([0]))], 1)
    assert (found.temperatures[0], found.exponent) == pytest.approx((0.8, 0.5), rel=0.06)
    # One corpus alone does not tell the sharpness.
    assert found.sharpness == SHARPNESS


def test_strange_sounds_are_never_trusted_more_than_known_ones() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (2_000, 5))
    distances = random.uniform(0, 10, (len(logits), 1))
    # Here the model doubts the more the stranger a sound, and wrongly so: the temperature stays the same.
    part = HeldOut(logits / (1 + distances), drawn(logits), distances, np.array([0]))
    assert fit_numbers([part], 1).exponent == pytest.approx(0, abs=1e-3)


def test_each_corpus_has_a_temperature_of_its_own() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20_000, 5))
    distances = np.where(np.arange(20_000)[:, np.newaxis] % 2 == [0, 1], 0.0, 100.0)
    sure = logits * np.array([[0.5], [2.0]])[np.arange(20_000) % 2]
    found = fit_numbers([HeldOut(sure, drawn(logits), distances, np.array([2, 0]))], 3)
    assert found.temperatures[[2, 0]] == pytest.approx([0.5, 2.0], rel=0.1)


def test_a_sharpness_is_recovered_from_corpora_of_different_temperatures() -> None:
    random = np.random.default_rng(0)
    distances = random.uniform(0, 10, (20_000, 2))
    logits = random.normal(0, 3, (20_000, 3))
    truth = calibrated(np, logits, distances, Numbers(np.array([0.5, 3.0]), 0.0, 2.0))
    found = fit_numbers([HeldOut(logits, drawn(truth), distances, np.arange(2))], 2)
    assert found.sharpness == pytest.approx(2, rel=0.1)
    assert found.temperatures == pytest.approx([0.5, 3], rel=0.1)


def test_a_window_has_the_temperature_of_the_nearest_corpus_and_between_two_their_mean() -> None:
    distances = np.array([[0.0, 1e6], [1e6, 0.0], [3.0, 3.0]])
    rows = calibrated(np, np.ones((3, 2)), distances, Numbers(np.array([0.5, 2.0]), 0.5, 1.0))
    np.testing.assert_allclose(rows, np.array([[2, 2], [0.5, 0.5], [0.5, 0.5]]), rtol=1e-4)


def test_the_calibration_of_tensors_is_that_of_arrays() -> None:
    random = np.random.default_rng(0)
    windows = random.normal(0, 1, (40, 3, 4)).astype(np.float32)
    unlikeness = Unlikeness.of(windows, ["one"] * 20 + ["other"] * 20)
    logits = random.normal(0, 1, (40, 3)).astype(np.float32)
    numbers = Numbers(np.array([0.8, 1.2]), 0.5, 2.0)
    expected = calibrated(np, logits, np.asarray(unlikeness(windows)), numbers)
    np.testing.assert_allclose(Calibration(numbers, unlikeness)(logits, windows), expected, atol=1e-5)
