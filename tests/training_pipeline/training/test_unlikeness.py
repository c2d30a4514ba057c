"""Distances whose values are known by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from training_pipeline.training.unlikeness import DIRECTIONS, Unlikeness, mean_features


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """Of two corpora, 500 windows each: mean features around 0 and around 10, with deviations 1, 2 and 3."""
    random = np.random.default_rng(0)
    means = random.normal(0, [1, 2, 3], (1000, 3)) + np.repeat([0, 10], 500)[:, np.newaxis]
    return np.repeat(means[:, np.newaxis], 4, axis=1).astype(np.float32)


CORPORA = np.repeat(["one", "other"], 500)


def test_what_is_like_a_corpus_has_a_distance_of_one(windows: np.ndarray) -> None:
    distances = np.asarray(Unlikeness.of(windows, CORPORA)(windows))
    assert distances.shape == (1000, 2)
    assert distances[:500, 0].mean() == pytest.approx(1, abs=0.05)
    assert distances[500:, 1].mean() == pytest.approx(1, abs=0.05)


def test_the_scatter_within_a_corpus_is_the_unit(windows: np.ndarray) -> None:
    unlikeness = Unlikeness.of(windows, CORPORA)
    # Five deviations off in the second bin alone, of three: 25 / 3. From corpus to corpus: 10, 5 and 10 / 3.
    off = np.array([[0, 0, 0.01], [10, 10, 10.01], [0, 10, 0], [10, 20, 10]], np.float32)
    distances = np.asarray(unlikeness(np.repeat(off[:, np.newaxis], 4, axis=1)))
    apart = (100 + 25 + 100 / 9) / 3
    np.testing.assert_allclose(distances[:2], [[0, apart], [apart, 0]], rtol=0.15, atol=0.05)
    np.testing.assert_allclose([distances[2, 0], distances[3, 1]], [25 / 3] * 2, rtol=0.15)


def test_a_corpus_counts_as_much_as_another_of_more_clips(windows: np.ndarray) -> None:
    few = np.r_[0:500, 500:600]
    every, fewer = Unlikeness.of(windows, CORPORA), Unlikeness.of(windows[few], CORPORA[few])
    np.testing.assert_allclose(np.asarray(fewer(windows)), np.asarray(every(windows)), rtol=0.5, atol=0.3)


def test_the_silence_that_fills_a_window_does_not_count() -> None:
    spoken = np.array([[[1.0, 3.0], [2.0, 5.0]]], np.float32)
    filled = np.concatenate([spoken, np.full((1, 6, 2), -1.0, np.float32)], axis=1)
    assert np.asarray(mean_features(filled)).tolist() == [[1.5, 4.0]]
    assert np.asarray(mean_features(np.zeros((1, 6, 2), np.float32))).tolist() == [[0.0, 0.0]]


def test_bins_that_never_vary_have_no_part_in_it(windows: np.ndarray) -> None:
    constant = np.concatenate([windows, np.full_like(windows[:, :, :1], 7)], axis=2)
    unlikeness = Unlikeness.of(constant, CORPORA)
    assert unlikeness.projection.shape == (4, 3)
    assert np.isfinite(np.asarray(unlikeness(constant))).all()


def test_the_greatest_scatter_is_measured_of_many_bins() -> None:
    random = np.random.default_rng(1)
    windows = random.normal(size=(200, 2, 40)).astype(np.float32)
    assert Unlikeness.of(windows, np.repeat(["a"], 200)).projection.shape == (40, DIRECTIONS)
