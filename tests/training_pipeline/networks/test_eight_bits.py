"""Weights in eight bits: what rounding costs, and that storing costs nothing more."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from speech_emotion import contract
from speech_emotion.features import SEED_SPEC
from training_pipeline.networks.eight_bits import LEVELS, round_weights, rounded
from training_pipeline.savedmodel.export import export
from training_pipeline.training.train import Trained


@pytest.mark.parametrize("scale", [1e-30, 0.01, 300.0])
def test_values_move_by_a_hundredth_of_their_columns_largest_at_most(scale: float) -> None:
    values = (np.random.default_rng(0).normal(size=(50, 7)) * scale).astype(np.float32)
    integers, factors = rounded(values)
    assert np.abs(integers).max() == LEVELS
    largest = np.abs(values).max(axis=0)
    assert (np.abs(integers * factors - values).max(axis=0) <= 0.01 * largest).all()
    again, same = rounded(integers * factors)
    np.testing.assert_array_equal(again, integers)
    np.testing.assert_array_equal(same, factors)


def test_a_column_of_zeros_stays_one() -> None:
    integers, factors = rounded(np.zeros((4, 2), np.float32))
    assert not integers.any()
    assert np.isfinite(factors).all()


def test_a_rounded_model_is_stored_in_bytes_and_answers_the_same(tmp_path: Path) -> None:
    inputs = keras.Input((1, SEED_SPEC.bins))
    hidden = keras.layers.Dense(512, activation="relu")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    features = np.random.default_rng(0).normal(size=(2, 1, SEED_SPEC.bins)).astype(np.float32)
    sizes = []
    for name in ("as it was", "rounded"):
        export(Trained(model, 1.0), SEED_SPEC, ("a", "b", "c"), {}, folder := tmp_path / name)
        sizes.append(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
        answer = tf.saved_model.load(str(folder)).signatures[contract.SIGNATURE_PREDICT](features=tf.constant(features))
        expected = tf.nn.softmax(model(features))
        np.testing.assert_allclose(answer[contract.OUTPUT_PROBABILITIES], expected, atol=1e-6)
        round_weights(model)
    parameters = 512 * SEED_SPEC.bins
    assert sizes[0] - sizes[1] > 2.9 * parameters
