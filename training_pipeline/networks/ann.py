"""The Keras network of fully connected layers."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

EPOCHS = 60


def fit(x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], labels: int, seed: int) -> keras.Model:
    """Fit on features `[n, frames, bins]` for a fixed number of epochs; returns features to logits."""
    keras.utils.set_random_seed(seed)
    normalization = keras.layers.Normalization(axis=-1)
    normalization.adapt(x)
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            normalization,
            keras.layers.Flatten(),
            keras.layers.Dense(256, activation="relu"),
            keras.layers.Dropout(0.4),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(labels),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    model.fit(x, y, batch_size=64, epochs=EPOCHS, verbose=0)
    return model
