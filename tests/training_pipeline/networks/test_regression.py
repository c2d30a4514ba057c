"""Logistic regression with open classes, beside scikit-learn's without."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from training_pipeline.networks.regression import fit_softmax


@pytest.fixture(scope="module")
def clips() -> tuple[np.ndarray, np.ndarray]:
    """Values of 120 examples, and the class of three that each is most likely of."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (120, 10))
    return x, (x @ random.normal(0, 1, (10, 3))).argmax(axis=1)


def test_it_finds_what_scikit_learn_finds(clips: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = clips
    kernel, bias = fit_softmax(x, np.eye(3)[y], 0.5)
    other = LogisticRegression(C=0.5, tol=1e-8, max_iter=5_000).fit(x, y)
    np.testing.assert_allclose(kernel.T, other.coef_, atol=1e-3)
    np.testing.assert_allclose(bias - bias.mean(), other.intercept_ - other.intercept_.mean(), atol=1e-3)


def test_an_example_of_twice_the_weight_counts_as_two(clips: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = clips
    rows = np.eye(3)[y]
    twice = fit_softmax(np.concatenate([x, x[:20]]), np.concatenate([rows, rows[:20]]), 0.5)
    weighed = fit_softmax(x, rows * np.where(np.arange(120) < 20, 2, 1)[:, np.newaxis], 0.5)
    np.testing.assert_allclose(weighed[0], twice[0], atol=1e-3)


def test_an_open_class_is_neither_learnt_nor_unlearnt(clips: tuple[np.ndarray, np.ndarray]) -> None:
    """Half of the examples are of a corpus that has two classes alone, and calls those of the third by the first."""
    x, y = clips
    blind, third = np.arange(120) % 2 == 0, y == 2
    rows = np.eye(3)[np.where(blind & third, 0, y)]
    absent = fit_softmax(x, rows, 0.5)
    rows[blind, 2] = -1
    opened = fit_softmax(x, rows, 0.5)

    def of_third(fitted: tuple[np.ndarray, np.ndarray]) -> float:
        return float(softmax(x @ fitted[0] + fitted[1], axis=1)[third, 2].mean())

    assert of_third(opened) > of_third(absent) + 0.2
