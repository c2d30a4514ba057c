"""The Keras network of fully connected layers."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from training_pipeline.networks.epochs import fit_epochs

EPOCHS = 60


def fit(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], classes: int, seed: int, checkpoints: Path | None = None
) -> keras.Model:
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
            keras.layers.Dense(classes),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), loss)
    fit_epochs(model, x, y, epochs=EPOCHS, batch_size=64, checkpoints=checkpoints)
    return model
