"""What the frozen encoder makes of windows and of augmented copies of them, cached by what was heard."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from training_pipeline.cache import kept_array
from training_pipeline.identity import identity, software, sources
from training_pipeline.networks.pretrained.augment import Augmentation, crop

Array = npt.NDArray[np.float32]


def frozen_statistics(encoder: keras.Model, x: Array, copies: int, crop_frames: int, cache: Path | None) -> Array:
    """Mean and deviation over time of each state, `[n, 1 + copies, states, 2, width]`: the window, then copies.

    Copies are crops, as in tuning: some channels follow the position in the clip and are the same in all whole
    windows, but not in crops, and a head that had never seen them vary would be thrown off. A window's copies
    depend on the window alone, so that every fold, seed and run can share them. `cache` keeps them by window, by
    the encoder's weights and by this code.
    """
    augment = Augmentation()
    compute = tf.function(lambda batch: pool(tf.nest.flatten(encoder(batch, training=False))))
    suffix = f"{augment!r} {copies} {crop_frames} {len(encoder.outputs)}".encode()
    weights = hashlib.sha256(b"".join(np.asarray(variable).tobytes() for variable in encoder.variables)).hexdigest()
    folder = cache and cache / identity(weights, sources("training_pipeline.networks.pretrained"), software())

    def statistics(window: Array) -> Array:
        digest = hashlib.sha256(window.tobytes() + suffix).hexdigest()
        return kept_array(folder and folder / f"{digest}.npy", lambda: pooled(window, int(digest[:16], 16)))

    def pooled(window: Array, seed: int) -> Array:
        random = np.random.default_rng(seed)
        found = [compute(tf.constant(window[np.newaxis]))]
        if copies:
            crops = [crop(augment(window, random), crop_frames, random) for _ in range(copies)]
            found.append(compute(tf.constant(np.stack(crops))))
        return np.concatenate(found)

    return np.stack([statistics(window) for window in x])


def moments(statistics: Array) -> Array:
    """Mean and deviation of every channel over all windows and time, `[states, 2, width]`."""
    mean, deviation = statistics[..., 0, :], statistics[..., 1, :]
    over = tuple(range(mean.ndim - 2))
    centre = mean.mean(axis=over)
    variance = (np.square(deviation) + np.square(mean)).mean(axis=over) - np.square(centre)
    return np.asarray(np.stack([centre, np.sqrt(np.maximum(variance, 1e-12))], axis=1), np.float32)


def unit_moments(states: int, width: int) -> Array:
    """Mean 0 and deviation 1 of every channel, `[states, 2, width]`: a model's before it is started or read."""
    return np.tile(np.array([0, 1], np.float32)[:, np.newaxis], (states, 1, width))


def head_inputs(statistics: Array, states: Array) -> Array:
    """What equal attention would hand to the head: statistics of the standardised states, `[n, values]`."""
    mean = (statistics[..., 0, :] - states[:, 0]) / states[:, 1]
    deviation = statistics[..., 1, :] / states[:, 1]
    both = np.stack([mean, deviation], axis=-2)
    return np.asarray(both.reshape(-1, np.prod(both.shape[-3:])), np.float32)


def pool(states: list[tf.Tensor]) -> tf.Tensor:
    """Mean and deviation over time of each state `[n, positions, width]`: `[n, states, 2, width]`."""
    pooled = [tf.stack(tf.nn.moments(state, axes=1), axis=1) for state in states]
    mean, variance = tf.unstack(tf.stack(pooled, axis=1), axis=2)
    return tf.stack([mean, tf.sqrt(variance)], axis=2)
