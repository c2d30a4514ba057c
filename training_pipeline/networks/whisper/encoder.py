"""Whisper's encoder as Keras layers: two convolutions, positions, pre-norm transformer blocks.

Source: Radford et al. 2022, Robust Speech Recognition via Large-Scale Weak Supervision.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from training_pipeline.networks.whisper.weights import Weights

WIDTH = 384
HEADS = 6
EPSILON = 1e-5


class Stem(keras.layers.Layer):  # type: ignore[misc]
    """Log-mel `[n, frames, 80]` to states `[n, ceil(frames / 2), WIDTH]` with their positions added."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.conv1 = keras.layers.Conv1D(WIDTH, 3, padding="same")
        self.conv2 = keras.layers.Conv1D(WIDTH, 3, strides=2)
        self.pad = keras.layers.ZeroPadding1D(1)  # "same" would pad an even length on the right alone
        self.positions: Any = None

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of `shape`."""
        self.conv1.build(shape)
        self.conv2.build((*shape[:-1], WIDTH))
        self.positions = self.add_weight(shape=(400, WIDTH), name="positions")

    def call(self, x: Any) -> Any:
        """States of a batch."""
        x = ops.gelu(self.conv1(x), approximate=False)
        x = ops.gelu(self.conv2(self.pad(x)), approximate=False)
        return x + self.positions[: ops.shape(x)[1]]

    def load(self, weights: Weights) -> None:
        """Take the encoder's weights."""
        self.conv1.set_weights([weights["conv1.weight"], weights["conv1.bias"]])
        self.conv2.set_weights([weights["conv2.weight"], weights["conv2.bias"]])
        self.positions.assign(weights["embed_positions.weight"])


class Block(keras.layers.Layer):  # type: ignore[misc]
    """Self-attention and a feed-forward network, each after a normalisation and beside a shortcut."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.norm1 = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm1")
        self.norm2 = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm2")
        self.query = keras.layers.Dense(WIDTH, name="query")
        self.key = keras.layers.Dense(WIDTH, use_bias=False, name="key")
        self.value = keras.layers.Dense(WIDTH, name="value")
        self.out = keras.layers.Dense(WIDTH, name="out")
        self.fc1 = keras.layers.Dense(4 * WIDTH, name="fc1")
        self.fc2 = keras.layers.Dense(WIDTH, name="fc2")

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of `shape`."""
        for layer in (self.norm1, self.norm2, self.query, self.key, self.value, self.out, self.fc1):
            layer.build(shape)
        self.fc2.build((*shape[:-1], 4 * WIDTH))

    def call(self, x: Any) -> Any:
        """States of the same shape, `[n, positions, WIDTH]`."""
        x = x + self._attend(self.norm1(x))
        return x + self.fc2(ops.gelu(self.fc1(self.norm2(x)), approximate=False))

    def _attend(self, x: Any) -> Any:
        size = WIDTH // HEADS
        query, key, value = (
            ops.transpose(ops.reshape(layer(x), (-1, ops.shape(x)[1], HEADS, size)), (0, 2, 1, 3))
            for layer in (self.query, self.key, self.value)
        )
        weights = ops.softmax(ops.matmul(query / np.float32(size**0.5), ops.transpose(key, (0, 1, 3, 2))))
        mixed = ops.transpose(ops.matmul(weights, value), (0, 2, 1, 3))
        return self.out(ops.reshape(mixed, (-1, ops.shape(x)[1], WIDTH)))

    def load(self, weights: Weights, number: int) -> None:
        """Take the weights of the encoder's block `number`."""
        own = {n: a for n, a in weights.items() if n.startswith(f"layers.{number}.")}
        own = {name.split(".", 2)[2]: array for name, array in own.items()}
        self.key.set_weights([own["self_attn.k_proj.weight"]])
        named = {
            "self_attn_layer_norm": self.norm1,
            "final_layer_norm": self.norm2,
            "self_attn.q_proj": self.query,
            "self_attn.v_proj": self.value,
            "self_attn.out_proj": self.out,
            "fc1": self.fc1,
            "fc2": self.fc2,
        }
        for name, layer in named.items():
            layer.set_weights([own[f"{name}.weight"], own[f"{name}.bias"]])


def build_encoder(weights: Weights, blocks: int) -> keras.Model:
    """Log-mel `[n, frames, 80]` to a list of states `[n, positions, WIDTH]`: the stem's, then each block's."""
    inputs = keras.Input((None, 80), name="features")
    stem, layers = Stem(name="stem"), [Block(name=f"block{number}") for number in range(blocks)]
    states = [stem(inputs)]
    for layer in layers:
        states.append(layer(states[-1]))
    stem.load(weights)
    for number, layer in enumerate(layers):
        layer.load(weights, number)
    return keras.Model(inputs, states, name="encoder")
