"""Training steps that can be interrupted: AdamW with a rate for each group of layers, and averaged weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from speech_emotion.files import whole_file
from training_pipeline.networks.pretrained.recipe import Recipe, Stage

Array = npt.NDArray[np.float32]
Batches = Callable[[np.random.Generator], Iterator[tuple[Array, Array]]]
"""The batches of an epoch, inputs and soft targets, from its random numbers."""
Loss = Callable[[Any, Any], Any]
"""Targets and logits `[n, classes]` to losses `[n]`."""
BFLOAT16 = "auto_mixed_precision_onednn_bfloat16"
OPEN_WEIGHT = 0.25
"""How much a class that a row leaves open counts in the sum of its softmax.

At 0 nothing keeps such a class from being the most probable one: models of RAVDESS, CREMA-D and nEMO then heard half of
CREMA-D as calm or surprised, which it has no labels for. Weights from 0.1 to 1 did equally well on its speakers.
"""


class Training:
    """One stage of training a model; `groups` are peak rates and the variables that learn at them."""

    def __init__(
        self,
        model: keras.Model,
        groups: Sequence[tuple[float, list[Any]]],
        stage: Stage,
        steps: int,
        recipe: Recipe,
        loss: Loss = tf.nn.softmax_cross_entropy_with_logits,
    ) -> None:
        self.model, self.epochs, self.clip_norm, self.loss = model, stage.epochs, recipe.clip_norm, loss
        self.variables = [variable for _, variables in groups for variable in variables]
        self.optimizers = [_optimizer(rate, variables, stage, steps, recipe) for rate, variables in groups]
        self.counts = [len(variables) for _, variables in groups]
        self._compiled = tf.function(self._step, jit_compile=stage.fused)
        self._bfloat16 = stage.bfloat16

    def run(self, batches: Batches, seed: int, checkpoint: Path | None = None) -> None:
        """Train all epochs, from the checkpoint's on if there is one; the model is left with averaged weights."""
        for epoch in range(self._restore(checkpoint), self.epochs):
            for x, y in batches(np.random.default_rng([seed, epoch])):
                # Not around the loop: the batches themselves are computed in float32, as everywhere else.
                with products_in_bfloat16(self._bfloat16):
                    self._compiled(tf.constant(x), tf.constant(y))
            if checkpoint is not None:
                save(checkpoint, self._state, epoch + 1)
        for optimizer, variables in zip(self.optimizers, self._groups(self.variables), strict=True):
            optimizer.finalize_variable_values(variables)

    def _step(self, x: tf.Tensor, y: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.loss(y, self.model(x, training=True)))
        gradients = tape.gradient(loss, [variable.value for variable in self.variables])
        clipped, _ = tf.clip_by_global_norm(gradients, self.clip_norm)
        for optimizer, own, variables in zip(
            self.optimizers, self._groups(clipped), self._groups(self.variables), strict=True
        ):
            optimizer.apply(own, variables)

    def _groups(self, values: Sequence[Any]) -> list[list[Any]]:
        ends = np.cumsum(self.counts)
        return [list(values[end - count : end]) for end, count in zip(ends, self.counts, strict=True)]

    @property
    def _state(self) -> list[Any]:
        return [*self.model.variables, *(v for optimizer in self.optimizers for v in optimizer.variables)]

    def _restore(self, checkpoint: Path | None) -> int:
        return load(checkpoint, self._state) if checkpoint is not None and checkpoint.is_file() else 0


@contextmanager
def products_in_bfloat16(wanted: bool) -> Iterator[None]:
    """Let TensorFlow's functions multiply in bfloat16 while the block runs; weights and sums stay in float32."""
    before = bool(tf.config.optimizer.get_experimental_options().get(BFLOAT16, False))
    tf.config.optimizer.set_experimental_options({BFLOAT16: wanted or before})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({BFLOAT16: before})


def loss_of(targets: Array) -> Loss:
    """Cross-entropy, also of rows with weights, and with classes left open (-1), which are probably absent."""
    plain = bool((targets >= 0).all()) and np.allclose(targets.sum(axis=1), 1)
    return tf.nn.softmax_cross_entropy_with_logits if plain else _with_open_classes


def _with_open_classes(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    weighted = tf.where(targets < 0, logits + tf.constant(np.log(OPEN_WEIGHT), logits.dtype), logits)
    return -tf.reduce_sum(tf.maximum(targets, 0) * tf.nn.log_softmax(weighted), axis=-1)


def rates_of(targets: Array, stage: Stage) -> npt.NDArray[np.float64] | None:
    """How often an epoch of the stage draws each example on average: in proportion to the sum of its `targets`.

    None if an epoch takes every example once, because the stage draws none or all weights are equal.
    """
    weights = np.maximum(targets, 0).sum(axis=1, dtype=np.float64)
    if not stage.drawn or np.allclose(weights, weights[0]):
        return None
    return np.asarray(min(stage.drawn, len(targets)) * weights / weights.sum())


def draw(rates: npt.NDArray[np.float64], random: np.random.Generator) -> npt.NDArray[np.intp]:
    """Examples of an epoch in random order, each as often as its rate, rounded up or down (systematic sampling).

    Examples of the same rate, most of which are of one corpus, are also drawn as often together as their rates sum to.
    """
    order = random.permutation(len(rates))
    order = order[np.argsort(rates[order], kind="stable")]
    ends = np.floor(np.cumsum(rates[order]) + random.random()).astype(np.intp)
    ends[-1] = round(rates.sum())
    return random.permutation(np.repeat(order, np.diff(ends, prepend=0)))


def batches_of(
    make: Callable[[npt.NDArray[np.intp], np.random.Generator], Array],
    targets: Array,
    stage: Stage,
    rates: npt.NDArray[np.float64] | None = None,
) -> Batches:
    """Shuffled batches of one size, some of them mixed (Zhang et al. 2018, mixup); `make` gives the inputs.

    Only examples of which the same classes are known are mixed with one another. With `rates` examples are drawn; see
    `draw`.
    """
    size = min(stage.batch, len(targets))
    _, alike = np.unique(targets < 0, axis=0, return_inverse=True)
    alike = alike.reshape(-1)

    def epoch(random: np.random.Generator) -> Iterator[tuple[Array, Array]]:
        order = random.permutation(len(targets)) if rates is None else draw(rates, random)
        for start in range(0, len(order) - size + 1, size):
            chosen = order[start : start + size]
            x, y = make(chosen, random), targets[chosen]
            if random.random() < stage.mixup_share:
                share = np.float32(random.beta(stage.mixup_alpha, stage.mixup_alpha))
                other = _others(alike[chosen], random)
                x, y = share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]
            yield x, y

    return epoch


def _others(kinds: npt.NDArray[np.intp], random: np.random.Generator) -> npt.NDArray[np.intp]:
    """A permutation that keeps every kind where it is."""
    other = np.empty(len(kinds), np.intp)
    for kind in np.unique(kinds):
        own = np.flatnonzero(kinds == kind)
        other[own] = own[random.permutation(len(own))]
    return other


def soft_targets(y: npt.NDArray[Any], classes: int, smoothing: float) -> Array:
    """Class indices `[n]` to rows that sum to 1, with `smoothing` of it spread over all classes.

    Rows of shares `[n, classes]` keep their sums, and classes that they leave open (-1).
    """
    if y.ndim == 1:
        return np.asarray(np.eye(classes)[y] * (1 - smoothing) + smoothing / classes, np.float32)
    known = y >= 0
    shares = np.where(known, y, 0)
    spread = smoothing * shares.sum(axis=1, keepdims=True) / known.sum(axis=1, keepdims=True)
    return np.where(known, shares * (1 - smoothing) + spread, -1).astype(np.float32)


def save(path: Path, variables: Sequence[Any], epoch: int) -> None:
    """Write variables, whole or not at all."""
    arrays = {f"v{i}": np.asarray(variable) for i, variable in enumerate(variables)}
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, epoch=np.array(epoch), **arrays)


def load(path: Path, variables: Sequence[Any]) -> int:
    """Read what `save` wrote into variables; returns the epoch."""
    with np.load(path, allow_pickle=False) as arrays:
        for i, variable in enumerate(variables):
            variable.assign(arrays[f"v{i}"])
        return int(arrays["epoch"])


def _optimizer(rate: float, variables: list[Any], stage: Stage, steps: int, recipe: Recipe) -> keras.optimizers.AdamW:
    total = stage.epochs * steps
    warmup = int(recipe.warmup * total)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, total - warmup), warmup_target=rate, warmup_steps=warmup
    )
    optimizer = keras.optimizers.AdamW(
        schedule, weight_decay=stage.weight_decay, use_ema=True, ema_momentum=recipe.averaging
    )
    optimizer.exclude_from_weight_decay(var_list=[v for v in variables if len(v.shape) < 2])
    optimizer.build(variables)
    return optimizer
