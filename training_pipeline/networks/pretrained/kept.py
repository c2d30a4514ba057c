"""States behind the frozen blocks, computed once and kept, so that tuning computes only the blocks above them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from training_pipeline.cache import kept_array
from training_pipeline.identity import identity, software, sources
from training_pipeline.networks.pretrained.augment import Augmentation, crop
from training_pipeline.networks.pretrained.encoder import build_encoder
from training_pipeline.networks.pretrained.model import deviation_of
from training_pipeline.networks.pretrained.recipe import Recipe
from training_pipeline.networks.pretrained.statistics import pool
from training_pipeline.networks.pretrained.weights import Weights

Array = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
KEPT_AS = np.float16


class KeptStates:
    """The states that the frozen part of an encoder computes from augmented crops of windows `x` `[n, frames, 80]`.

    An example is `[2 * frozen_blocks + positions, width]`: mean and deviation over time of each state below the last,
    then the last state itself, in float16. It is computed when it is first asked for, and kept in a file of its own:
    180 kB for 352 frames of Whisper-base. A copy depends on its window, its number and the recipe alone, so
    every fold, seed and run can share it, and a deleted one is computed again with the same values.
    """

    def __init__(self, weights: Weights, x: Array, recipe: Recipe, cache: Path | None) -> None:
        lower = build_encoder(weights, recipe.frozen_blocks)
        self._x, self._recipe, self._augment = x, recipe, Augmentation()
        self._compute = tf.function(lambda batch: _joined(tf.nest.flatten(lower(batch, training=False))))
        self._suffix = f"{self._augment!r} {recipe.crop_frames} {recipe.frozen_blocks}".encode()
        digest = hashlib.sha256(b"".join(np.asarray(variable).tobytes() for variable in lower.variables)).hexdigest()
        names = identity(digest, sources("training_pipeline.networks.pretrained"), software())
        self._folder = cache and cache / names

    def __call__(self, chosen: Rows, copies: Rows) -> Array:
        """The examples of the `chosen` windows, of each the copy of that number, in float32."""
        found = [self._example(self._x[i], number) for i, number in zip(chosen, copies, strict=True)]
        return np.stack(found).astype(np.float32)

    def _example(self, window: Array, number: int) -> npt.NDArray[Any]:
        digest = hashlib.sha256(window.tobytes() + self._suffix + f" {number}".encode()).hexdigest()

        def make() -> npt.NDArray[Any]:
            random = np.random.default_rng(int(digest[:16], 16))
            cropped = crop(self._augment(window, random), self._recipe.crop_frames, random)
            states: npt.NDArray[Any] = np.asarray(self._compute(tf.constant(cropped[np.newaxis])))[0]
            return states.astype(KEPT_AS)

        return kept_array(self._folder and self._folder / f"{digest}.npy", make)


def upper_part(model: keras.Model, recipe: Recipe) -> keras.Model:
    """The layers of a whole model above its frozen blocks, which they share with it: kept examples to logits."""
    below = recipe.frozen_blocks
    kept = keras.Input((None, model.get_layer("stem").width), name="kept")
    pooled = []
    for number in range(below):
        standardise = model.get_layer(f"standardise{number}")
        mean, deviation = kept[:, 2 * number], kept[:, 2 * number + 1]
        pooled += [standardise(mean), deviation_of(ops.square(deviation / standardise.deviation))]
    state = kept[:, 2 * below :]
    for number in range(below, recipe.blocks + 1):
        state = model.get_layer(f"block{number - 1}")(state) if number > below else state
        pooled.append(model.get_layer(f"pool{number}")(model.get_layer(f"standardise{number}")(state)))
    return keras.Model(kept, model.get_layer("head")(ops.concatenate(pooled, axis=-1)), name="upper")


def copies_of(rates: npt.NDArray[np.float64] | None, examples: int, recipe: Recipe) -> Rows:
    """How many copies of each window tuning hears: one each time that it is heard, but `kept_copies` at most.

    `rates` are those of an epoch; see `optimise.rates_of`.
    """
    heard = recipe.tuning.epochs * (np.ones(examples) if rates is None else rates)
    return np.clip(np.rint(heard), 1, recipe.kept_copies).astype(np.intp)


def _joined(states: list[tf.Tensor]) -> tf.Tensor:
    """An encoder's states to examples `[n, 2 * (states - 1) + positions, width]`."""
    *below, last = states
    width = last.shape[-1]
    return tf.concat([tf.reshape(pool(below), (-1, 2 * len(below), width)), last], axis=1) if below else last
