"""The encoder's first block with each matrix as the product of two narrow ones, chosen for what it is multiplied with.

Source: Chen et al. 2021, DRONE: Data-aware Low-rank Compression for Large NLP Models.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from training_pipeline.networks.pretrained.encoder import MATRICES, WIDTH, Block, Stem
from training_pipeline.networks.pretrained.model import SMALLEST_DEVIATION
from training_pipeline.networks.pretrained.weights import Weights

Array = npt.NDArray[np.float32]
Matrix = npt.NDArray[np.float64]

CONVOLUTION = "conv2"


def factor(matrix: Array, moment: Matrix, rank: int, importance: Matrix) -> tuple[Array, Array]:
    """Two matrices `[in, rank]` and `[rank, out]` whose product does what `matrix` `[in, out]` does, nearly.

    Of all such products it has the least squared error on inputs with the second moment `moment` `[in, in]`, an error
    of each output counting by its `importance` `[out]`, which is above 0.
    """
    values, vectors = np.linalg.eigh(moment / np.trace(moment) + 1e-9 * np.eye(len(moment)))
    values = np.maximum(values, 1e-12)
    root, inverse = (vectors * values**power @ vectors.T for power in (0.5, -0.5))
    left, strength, right = np.linalg.svd((root @ matrix) * importance, full_matrices=False)
    share = np.sqrt(strength[:rank])
    first, second = inverse @ (left[:, :rank] * share), share[:, np.newaxis] * right[:rank] / importance
    balance = np.sqrt(np.linalg.norm(second) / np.linalg.norm(first))
    return np.asarray(first * balance, np.float32), np.asarray(second / balance, np.float32)


def build_factored(ranks: Mapping[str, int], positions: int) -> keras.Model:
    """Log-mel `[n, frames, 80]` to the states behind the convolutions and the first block, `[n, positions, WIDTH]`.

    `ranks` are the inner widths of `conv2`, and of the block's `query`, `key`, `value`, `out`, `fc1` and `fc2`;
    `positions` is the most there can be.
    """

    def dense(units: int, name: str, use_bias: bool = True) -> keras.Layer:
        narrow = keras.layers.Dense(ranks[name], use_bias=False)
        return keras.Sequential([narrow, keras.layers.Dense(units, use_bias=use_bias)], name=name)

    narrow = keras.layers.Conv1D(ranks[CONVOLUTION], 3, strides=2, use_bias=False)
    stem = Stem(keras.Sequential([narrow, keras.layers.Dense(WIDTH)]), positions, name="stem")
    block = Block(dense, name="block0")
    inputs = keras.Input((None, 80), name="features")
    states = [stem(inputs)]
    states.append(block(states[0]))
    return keras.Model(inputs, states, name="encoder")


def load_factors(encoder: keras.Model, weights: Weights, windows: Array) -> None:
    """Give a factored encoder the pretrained weights; `windows` `[n, frames, 80]` decide what is kept of matrices."""
    moments, importance = _measure(weights, windows)
    stem, block = encoder.get_layer("stem"), encoder.get_layer("block0")

    def load(layer: keras.Sequential, name: str, matrix: Array, bias: Array | None) -> None:
        narrow = layer.layers[0].kernel.shape
        first, second = factor(matrix, moments[name], narrow[-1], importance[name])
        layer.set_weights([array for array in (first.reshape(narrow), second, bias) if array is not None])

    stem.load_rest(weights)
    load(stem.conv2, CONVOLUTION, weights["conv2.weight"].reshape(-1, WIDTH), weights["conv2.bias"])
    block.load_norms(weights, 0)
    for name, pretrained in MATRICES.items():
        own = f"layers.0.{pretrained}"
        load(getattr(block, name), name, weights[f"{own}.weight"], weights.get(f"{own}.bias"))


class _Recording:
    """Adds up the second moment `[in, in]` of the rows that a layer is given."""

    moment: Matrix | float = 0.0

    def record(self, rows: Any) -> None:
        rows = np.asarray(rows, np.float64).reshape(-1, rows.shape[-1])
        self.moment = self.moment + rows.T @ rows


class _Dense(_Recording, keras.layers.Dense):  # type: ignore[misc]
    def call(self, x: Any, training: bool | None = None) -> Any:  # noqa: ARG002 - as Keras calls it
        self.record(x)
        return super().call(x)


class _Convolution(_Recording, keras.layers.Conv1D):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        frames = np.lib.stride_tricks.sliding_window_view(np.asarray(x), 3, axis=1)[:, ::2]  # [n, positions, in, 3]
        self.record(frames.swapaxes(-1, -2).reshape(-1, 3 * x.shape[-1]))
        return super().call(x)


def _measure(weights: Weights, windows: Array) -> tuple[dict[str, Matrix], dict[str, Matrix]]:
    """Second moment of what each matrix is multiplied with, and how much an error of each of its outputs matters.

    A head hears states in units of their deviation, `SMALLEST_DEVIATION` at least, so what adds to a state counts by
    that, what `fc1` makes by what `fc2` makes of it, and query, key and value all alike.
    """
    stem, block = Stem(_Convolution(WIDTH, 3, strides=2)), Block(_Dense)
    stem.build((None, None, 80))
    block.build((None, None, WIDTH))
    stem.load(weights)
    block.load(weights, 0)
    first = [np.asarray(stem(window[np.newaxis]))[0] for window in windows]
    second = [np.asarray(block(state[np.newaxis]))[0] for state in first]
    deviations = (np.concatenate(states).std(axis=0) for states in (first, second))
    after_stem, after_block = (1 / np.maximum(deviation, SMALLEST_DEVIATION) for deviation in deviations)
    hidden = np.maximum(np.linalg.norm(weights["layers.0.fc2.weight"] * after_block, axis=1), 1e-6)
    importance = dict.fromkeys(("query", "key", "value"), np.ones(WIDTH)) | {CONVOLUTION: after_stem, "fc1": hidden}
    importance |= dict.fromkeys(("out", "fc2"), after_block)
    layers: dict[str, Any] = {CONVOLUTION: stem.conv2} | {name: getattr(block, name) for name in MATRICES}
    return {name: layer.moment for name, layer in layers.items()}, importance
