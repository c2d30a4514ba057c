"""Losses and batches of rows of shares, in which classes may stay open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf

from training_pipeline.networks.pretrained.optimise import (
    BFLOAT16,
    OPEN_WEIGHT,
    Training,
    batches_of,
    draw,
    loss_of,
    products_in_bfloat16,
    rates_of,
    soft_targets,
)
from training_pipeline.networks.pretrained.recipe import Recipe, Stage

ROWS = np.array([[1, 0, -1], [0.5, 1.5, 0], [0, -1, 2]], np.float32)
LOGITS = np.array([[0, 0, 3], [1, 2, 3], [1, 3, 1]], np.float32)


def test_an_open_class_counts_a_little_and_a_sum_is_a_weight() -> None:
    losses = np.asarray(loss_of(ROWS)(tf.constant(ROWS), tf.constant(LOGITS)))
    logs = LOGITS[1] - np.log(np.exp(LOGITS[1]).sum())
    first = np.log(2 + OPEN_WEIGHT * np.exp(3))
    last = 2 * np.log(2 + OPEN_WEIGHT * np.exp(2))
    np.testing.assert_allclose(losses, [first, -(0.5 * logs[0] + 1.5 * logs[1]), last], rtol=1e-5)


def test_an_open_class_is_learnt_to_be_less_probable_where_it_would_be_the_most_probable_one() -> None:
    logits = tf.Variable(LOGITS)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(loss_of(ROWS)(tf.constant(ROWS), logits))
    gradient = np.asarray(tape.gradient(loss, logits))
    assert (gradient[[0, 2], [2, 1]] > 0.5).all()
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


def drawing(examples: int) -> Stage:
    return Stage(1, 4, 1e-3, 0, mixup_alpha=0.4, mixup_share=0.0, fused=False, drawn=examples)


def test_examples_are_drawn_as_often_as_they_weigh() -> None:
    weights = np.repeat([4.0, 1.0, 0.5], [10, 40, 80])
    rates = rates_of(np.stack([weights, np.full(130, -1)], axis=1).astype(np.float32), drawing(60))
    assert rates is not None
    counts = [np.bincount(draw(rates, np.random.default_rng(seed)), minlength=130) for seed in range(20)]
    for count in counts:
        assert count.sum() == 60
        assert (np.abs(count - rates) < 1).all()
        assert [abs(part.sum() - 20) <= 1 for part in np.split(count, [10, 50])] == [True] * 3
    assert np.std([count[-1] for count in counts]) > 0


def test_examples_that_weigh_alike_are_each_heard_once() -> None:
    assert rates_of(np.eye(3, dtype=np.float32), drawing(2)) is None
    assert rates_of(ROWS, drawing(0)) is None


def test_a_small_set_is_drawn_no_longer_than_it_is() -> None:
    rates = rates_of(np.array([[1, 0], [0, 3]], np.float32), drawing(100))
    np.testing.assert_allclose(rates, [0.5, 1.5])


def test_batches_are_of_drawn_examples() -> None:
    targets = np.eye(8, dtype=np.float32)
    rates = np.array([4.0, 4.0, 0, 0, 0, 0, 0, 0])
    batches = list(batches_of(lambda chosen, _: targets[chosen], targets, drawing(8), rates)(np.random.default_rng(0)))
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]).sum(axis=0), rates)


def test_products_in_bfloat16_end_with_their_block() -> None:
    with products_in_bfloat16(True):
        assert tf.config.optimizer.get_experimental_options()[BFLOAT16]
        with products_in_bfloat16(False):
            assert tf.config.optimizer.get_experimental_options()[BFLOAT16]
    assert not tf.config.optimizer.get_experimental_options()[BFLOAT16]


def test_steps_alone_multiply_in_bfloat16_and_not_what_their_batches_are_made_of() -> None:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    stage = replace(drawing(0), epochs=1, bfloat16=True)
    seen = []

    def batches(random: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for _ in range(3):
            seen.append(tf.config.optimizer.get_experimental_options().get(BFLOAT16, False))
            yield random.normal(size=(4, 4)).astype(np.float32), np.eye(2, dtype=np.float32)[[0, 1, 0, 1]]

    before = np.asarray(model.layers[0].kernel)
    Training(model, [(1e-2, model.trainable_variables)], stage, 3, Recipe()).run(batches, 0)
    assert seen == [False] * 3
    assert np.abs(np.asarray(model.layers[0].kernel) - before).max() > 1e-4
