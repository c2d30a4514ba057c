"""The average over the past of a stream."""

from __future__ import annotations

import math

import numpy as np
import pytest

from preprocess_gateway.core.smoothing import Smoothing

JOY, SORROW = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)


def test_the_first_row_is_its_own_average() -> None:
    np.testing.assert_array_equal(Smoothing(5).add(4.0, JOY), JOY)


def test_what_is_a_time_constant_old_counts_37_percent() -> None:
    smoothing = Smoothing(5)
    smoothing.add(4.0, JOY)
    np.testing.assert_allclose(smoothing.add(9.0, SORROW), [math.exp(-1), 1 - math.exp(-1)])


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_how_often_a_row_is_repeated_within_a_time_does_not_count(steps: int) -> None:
    smoothing = Smoothing(3)
    smoothing.add(0.0, JOY)
    for step in range(1, steps + 1):
        average = smoothing.add(6.0 * step / steps, SORROW)
    np.testing.assert_allclose(average, [math.exp(-2), 1 - math.exp(-2)])


def test_the_sum_stays_1() -> None:
    smoothing, random = Smoothing(2), np.random.default_rng(0)
    for at_s in range(1000):
        average = smoothing.add(float(at_s), random.dirichlet(np.ones(8)))
    assert average.sum() == pytest.approx(1)
