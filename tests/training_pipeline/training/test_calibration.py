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
        np.ones((1, 5), np.float32),
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
    part = HeldOut(logits / (1 + distances), drawn(logits), distances, np.ones((1, 5)), np.array([0]))
    assert fit_numbers([part], 1).exponent == pytest.approx(0, abs=1e-3)


def test_each_corpus_has_a_temperature_of_its_own() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (20_000, 5))
    distances = np.where(np.arange(20_000)[:, np.newaxis] % 2 == [0, 1], 0.0, 100.0)
    sure = logits * np.array([[0.5], [2.0]])[np.arange(20_000) % 2]
    found = fit_numbers([HeldOut(sure, drawn(logits), distances, np.ones((2, 5)), np.array([2, 0]))], 3)
    assert found.temperatures[[2, 0]] == pytest.approx([0.5, 2.0], rel=0.1)


def test_a_sharpness_is_recovered_from_corpora_that_tell_different_emotions() -> None:
    random = np.random.default_rng(0)
    told = np.array([[1, 1, 1], [1, 1, 0]])
    distances = random.uniform(0, 10, (20_000, 2))
    logits = random.normal(0, 1, (20_000, 3))
    truth = calibrated(np, logits, distances, told, Numbers(np.ones(2), 0.0, 2.0))
    found = fit_numbers([HeldOut(logits, drawn(truth), distances, told, np.arange(2))], 2)
    assert found.sharpness == pytest.approx(2, rel=0.1)
    assert found.temperatures == pytest.approx([1, 1], abs=0.15)


def test_an_emotion_has_the_prior_of_the_near_corpora_that_can_tell_it() -> None:
    told = np.array([[1.0, 1.0], [1.0, 0.0]])
    distances = np.array([[0.0, 1e6], [1e6, 0.0], [3.0, 3.0]])
    rows = softmax(calibrated(np, np.zeros((3, 2)), distances, told, Numbers(np.ones(2), 0.0, 1.0)))
    # Near the first corpus both are as likely, near the other one is not; between them half of the corpora tell it.
    np.testing.assert_allclose(rows, np.array([[1 / 2, 1 / 2], [1.0, 0.0], [2 / 3, 1 / 3]]), atol=1e-5)


def test_the_calibration_of_tensors_is_that_of_arrays() -> None:
    random = np.random.default_rng(0)
    windows = random.normal(0, 1, (40, 3, 4)).astype(np.float32)
    unlikeness = Unlikeness.of(windows, ["one"] * 20 + ["other"] * 20)
    told = np.array([[1, 1, 1], [1, 0, 1]], np.float32)
    logits = random.normal(0, 1, (40, 3)).astype(np.float32)
    numbers = Numbers(np.array([0.8, 1.2]), 0.5, 2.0)
    expected = calibrated(np, logits, np.asarray(unlikeness(windows)), told, numbers)
    np.testing.assert_allclose(Calibration(numbers, unlikeness, told)(logits, windows), expected, atol=1e-5)
