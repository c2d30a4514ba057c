"""Encoder states to logits: attentive statistics of each state, then a small network."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from training_pipeline.networks.pretrained.encoder import WIDTH, Block, build_encoder
from training_pipeline.networks.pretrained.recipe import Recipe
from training_pipeline.networks.pretrained.weights import Weights

SMALLEST_DEVIATION = 0.02
LEAST_VARIANCE = 1e-6


class Standardise(keras.layers.Layer):  # type: ignore[misc]
    """(x - mean) / deviation over the last axis, both fixed by `adapt`."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of `shape`."""
        self.mean = self.add_weight(shape=shape[-1:], name="mean", trainable=False)
        self.deviation = self.add_weight(shape=shape[-1:], initializer="ones", name="deviation", trainable=False)

    def call(self, x: Any) -> Any:
        """Standardised values."""
        return (x - self.mean) / self.deviation

    def adapt(self, mean: np.ndarray, deviation: np.ndarray) -> None:
        """Fix both; a value that hardly varied where it was measured must not shout once it does."""
        self.mean.assign(mean)
        self.deviation.assign(np.maximum(deviation, SMALLEST_DEVIATION))


class AttentiveStatistics(keras.layers.Layer):  # type: ignore[misc]
    """`[n, time, channels]` to weighted mean and deviation over time `[n, 2 * channels]`, weights per channel.

    Source: Okabe et al. 2018, Attentive Statistics Pooling for Deep Speaker Embedding. The weights start equal.
    """

    def __init__(self, width: int, **options: Any) -> None:
        super().__init__(**options)
        self.hidden = keras.layers.Dense(width, activation="tanh", name="hidden")
        self.width = width

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of `shape`."""
        self.score = keras.layers.Dense(shape[-1], kernel_initializer="zeros", name="score")
        self.hidden.build(shape)
        self.score.build((*shape[:-1], self.width))

    def call(self, x: Any) -> Any:
        """Mean and deviation, side by side."""
        weights = ops.softmax(self.score(self.hidden(x)), axis=1)
        mean = ops.sum(weights * x, axis=1)
        variance = ops.sum(weights * ops.square(x - mean[:, None]), axis=1)
        return ops.concatenate([mean, deviation_of(variance)], axis=-1)


class Statistics(keras.layers.Layer):  # type: ignore[misc]
    """`AttentiveStatistics` before training: `[n, time, channels]` to mean and deviation over time, side by side."""

    def call(self, x: Any) -> Any:
        """Mean and deviation, `[n, 2 * channels]`."""
        mean, variance = ops.moments(x, axes=1)
        return ops.concatenate([mean, deviation_of(variance)], axis=-1)


def deviation_of(variance: Any) -> Any:
    """The root of a variance, whose slope stays finite."""
    return ops.sqrt(variance + LEAST_VARIANCE)


def build_head(recipe: Recipe, classes: int, width: int = WIDTH) -> keras.Model:
    """Statistics `[n, 2 * width * (blocks + 1)]` to logits `[n, classes]`."""
    return keras.Sequential(
        [
            keras.Input(((recipe.blocks + 1) * 2 * width,)),
            Standardise(name="standardise"),
            keras.layers.Dropout(recipe.dropout),
            keras.layers.Dense(recipe.hidden, activation="gelu"),
            keras.layers.Dropout(recipe.dropout),
            keras.layers.Dense(classes),
        ],
        name="head",
    )


def build_model(weights: Weights, head: keras.Model, recipe: Recipe, states: np.ndarray) -> keras.Model:
    """Log-mel `[n, frames, 80]` to logits; `states` are mean and deviation `[blocks + 1, 2, width]` of each state.

    Convolutions and the lowest `frozen_blocks` blocks do not learn.
    """
    encoder = build_encoder(weights, recipe.blocks)
    encoder.get_layer("stem").trainable = False
    for number in range(recipe.frozen_blocks):
        encoder.get_layer(f"block{number}").trainable = False
    equal = recipe.frozen_blocks if recipe.kept_copies else 0
    return join(encoder, head, recipe.attention_width, states, equal)


def join(
    encoder: keras.Model, head: keras.Model, attention_width: int, states: np.ndarray, equal: int = 0
) -> keras.Model:
    """Encoder, attentive statistics of each of its states, standardised by `states`, and head: inputs to logits.

    The first `equal` states have plain statistics instead.
    """
    pooled = []
    for number, (state, (mean, deviation)) in enumerate(zip(encoder.outputs, states, strict=True)):
        standardise, name = Standardise(name=f"standardise{number}"), f"pool{number}"
        pool = Statistics(name=name) if number < equal else AttentiveStatistics(attention_width, name=name)
        pooled.append(pool(standardise(state)))
        standardise.adapt(mean, deviation)
    return keras.Model(encoder.inputs[0], head(ops.concatenate(pooled, axis=-1)), name="whisper")


def state_behind(model: keras.Model, blocks: int) -> keras.KerasTensor:
    """The state `[n, positions, width]` that a model has behind that many of its blocks."""
    return model.get_layer(f"block{blocks - 1}" if blocks else "stem").output


def learning_groups(model: keras.Model, recipe: Recipe) -> list[tuple[float, list[Any]]]:
    """Peak learning rate and variables: head with poolings, then each block that learns, from the top down."""
    blocks = [layer for layer in model.layers if isinstance(layer, Block) and layer.trainable]
    rest = [v for layer in model.layers if layer not in blocks for v in layer.trainable_variables]
    rates = [recipe.top_rate * recipe.rate_decay**depth for depth in range(len(blocks))]
    tuned = [(rate, block.trainable_variables) for rate, block in zip(rates, reversed(blocks), strict=True)]
    return [(recipe.tuning.rate, rest), *tuned]
