"""Whisper's encoder as Keras layers: two convolutions, positions, pre-norm transformer blocks.

Source: Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from training_pipeline.networks.pretrained.weights import Weights

WIDTH = 384
"""Channels of a state of Whisper-tiny; Whisper-base has 512."""
HEAD_WIDTH = 64
"""Channels of one head of attention, in Whisper of any size."""
EPSILON = 1e-5
POSITIONS = 400
"""As many as the encoder was cut to: 8 s."""

NORMS = {"norm1": "self_attn_layer_norm", "norm2": "final_layer_norm"}
MATRICES = {
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "out": "self_attn.out_proj",
    "fc1": "fc1",
    "fc2": "fc2",
}
"""A block's layers by the names that their weights have in Whisper."""

MakeDense = Callable[..., keras.Layer]
"""Units, `name` and `use_bias`, as `keras.layers.Dense` has them, to a layer that does the same."""


class Stem(keras.layers.Layer):  # type: ignore[misc]
    """Log-mel `[n, frames, 80]` to states `[n, ceil(frames / 2), width]` with their positions added.

    `longest` is the most positions there can be.
    """

    def __init__(
        self, conv2: keras.Layer | None = None, longest: int = POSITIONS, width: int = WIDTH, **options: Any
    ) -> None:
        super().__init__(**options)
        self.width = width
        self.conv1 = keras.layers.Conv1D(width, 3, padding="same")
        self.conv2 = conv2 or keras.layers.Conv1D(width, 3, strides=2)
        self.pad = keras.layers.ZeroPadding1D(1)  # "same" would pad an even length on the right alone
        self.longest = longest
        self.positions: Any = None

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of `shape`."""
        self.conv1.build(shape)
        self.conv2.build((*shape[:-1], self.width))
        self.positions = self.add_weight(shape=(self.longest, self.width), name="positions")

    def call(self, x: Any) -> Any:
        """States of a batch."""
        x = ops.gelu(self.conv1(x), approximate=False)
        x = ops.gelu(self.conv2(self.pad(x)), approximate=False)
        return x + self.positions[: ops.shape(x)[1]]

    def load(self, weights: Weights) -> None:
        """Take the encoder's weights."""
        self.load_rest(weights)
        self.conv2.set_weights([weights["conv2.weight"], weights["conv2.bias"]])

    def load_rest(self, weights: Weights) -> None:
        """Take all weights but those of the second convolution."""
        self.conv1.set_weights([weights["conv1.weight"], weights["conv1.bias"]])
        self.positions.assign(weights["embed_positions.weight"][: self.longest])


class Block(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention and a feed-forward network, each after a normalisation and beside a shortcut."""

    def __init__(self, dense: MakeDense = keras.layers.Dense, width: int = WIDTH, **options: Any) -> None:
        super().__init__(**options)
        self.width = width
        self.norm1 = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm1")
        self.norm2 = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm2")
        self.query = dense(width, name="query")
        self.key = dense(width, use_bias=False, name="key")
        self.value = dense(width, name="value")
        self.out = dense(width, name="out")
        self.fc1 = dense(4 * width, name="fc1")
        self.fc2 = dense(width, name="fc2")

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of `shape`."""
        for layer in (self.norm1, self.norm2, self.query, self.key, self.value, self.out, self.fc1):
            layer.build(shape)
        self.fc2.build((*shape[:-1], 4 * self.width))

    def call(self, x: Any) -> Any:
        """States of the same shape, `[n, positions, width]`."""
        x = x + self._attend(self.norm1(x))
        return x + self.fc2(ops.gelu(self.fc1(self.norm2(x)), approximate=False))

    def _attend(self, x: Any) -> Any:
        heads = (-1, ops.shape(x)[1], self.width // HEAD_WIDTH, HEAD_WIDTH)
        query, key, value = (
            ops.transpose(ops.reshape(layer(x), heads), (0, 2, 1, 3)) for layer in (self.query, self.key, self.value)
        )
        weights = ops.softmax(ops.matmul(query / np.float32(HEAD_WIDTH**0.5), ops.transpose(key, (0, 1, 3, 2))))
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (-1, ops.shape(x)[1], self.width)))

    def load(self, weights: Weights, number: int) -> None:
        """Take the weights of the encoder's block `number`."""
        self.load_norms(weights, number)
        for name, own in MATRICES.items():
            pretrained = (weights.get(f"layers.{number}.{own}.{kind}") for kind in ("weight", "bias"))
            getattr(self, name).set_weights([array for array in pretrained if array is not None])

    def load_norms(self, weights: Weights, number: int) -> None:
        """Take the weights of its normalisations alone."""
        for name, own in NORMS.items():
            pretrained = [weights[f"layers.{number}.{own}.{kind}"] for kind in ("weight", "bias")]
            getattr(self, name).set_weights(pretrained)


def width_of(weights: Weights) -> int:
    """Channels of a state of the encoder that has these weights."""
    return int(weights["conv1.bias"].size)


def build_encoder(weights: Weights, blocks: int) -> keras.Model:
    """Log-mel `[n, frames, 80]` to a list of states `[n, positions, width]`: the stem's, then each block's."""
    inputs, width = keras.Input((None, 80), name="features"), width_of(weights)
    stem, layers = Stem(width=width, name="stem"), [Block(width=width, name=f"block{n}") for n in range(blocks)]
    states = [stem(inputs)]
    for layer in layers:
        states.append(layer(states[-1]))
    stem.load(weights)
    for number, layer in enumerate(layers):
        layer.load(weights, number)
    return keras.Model(inputs, states, name="encoder")
