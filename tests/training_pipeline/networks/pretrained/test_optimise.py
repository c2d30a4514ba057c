"""Losses and batches of rows of shares, in which classes may stay open."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from training_pipeline.networks.pretrained.optimise import batches_of, loss_of, soft_targets
from training_pipeline.networks.pretrained.recipe import Stage

ROWS = np.array([[1, 0, -1], [0.5, 1.5, 0], [0, -1, 2]], np.float32)
LOGITS = np.array([[0, 0, 50], [1, 2, 3], [1, 50, 1]], np.float32)


def test_an_open_class_has_no_part_in_the_loss_and_a_sum_is_a_weight() -> None:
    losses = np.asarray(loss_of(ROWS)(tf.constant(ROWS), tf.constant(LOGITS)))
    logs = LOGITS[1] - np.log(np.exp(LOGITS[1]).sum())
    np.testing.assert_allclose(losses, [np.log(2), -(0.5 * logs[0] + 1.5 * logs[1]), 2 * np.log(2)], rtol=1e-5)


def test_an_open_class_learns_nothing() -> None:
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loss_of(ROWS)(tf.constant(ROWS), logits))
    gradient = np.asarray(tape.gradient(loss, logits))
    np.testing.assert_allclose(gradient[[0, 2], [2, 1]], 0)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-5)


def test_indices_are_learnt_as_before() -> None:
    targets = soft_targets(np.array([0, 2]), 3, 0.1)
    assert loss_of(targets) is tf.nn.softmax_cross_entropy_with_logits
    np.testing.assert_allclose(targets, soft_targets(np.eye(3, dtype=np.float32)[[0, 2]], 3, 0.1), rtol=1e-6)


def test_smoothing_spreads_over_known_classes_and_keeps_weights() -> None:
    soft = soft_targets(ROWS, 3, 0.2)
    np.testing.assert_allclose(
        soft, [[0.9, 0.1, -1], [0.4 + 0.4 / 3, 1.2 + 0.4 / 3, 0.4 / 3], [0.2, -1, 1.8]], rtol=1e-5
    )


def test_only_examples_of_the_same_known_classes_are_mixed() -> None:
    stage = Stage(1, 6, 1e-3, 0, mixup_alpha=0.4, mixup_share=1.0, fused=False)
    targets = np.array([[1, 0, -1], [0, 1, -1], [1, -1, 0]] * 4, np.float32)
    make = batches_of(lambda chosen, _: targets[chosen], targets, stage)
    batches = list(make(np.random.default_rng(0)))
    assert len(batches) == 2
    for x, y in batches:
        np.testing.assert_array_equal(x, y)
        np.testing.assert_allclose(np.maximum(y, 0).sum(axis=1), 1, rtol=1e-6)
        assert set(map(tuple, (y < 0).tolist())) == {(False, False, True), (False, True, False)}
