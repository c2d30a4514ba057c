"""A network: an emotion is where its clips lie on average, and a clip is given the nearest one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from acme_emotions.block import Centroid
from speech_emotion.features import FeatureSpec, Mel, Mfcc
from training_pipeline.errors import DataError
from training_pipeline.networks.network import Network

if TYPE_CHECKING:
    import keras

SPEC = FeatureSpec(aggregate="mean_std", blocks=(Mfcc(n_mfcc=20), Mel(n_mels=40, scale="db"), Centroid()))


def fit(
    x: npt.NDArray[np.float32],
    y: npt.NDArray[np.intp],
    classes: int,
    seed: int,  # noqa: ARG001 - nothing is random
    checkpoints: Path | None = None,  # noqa: ARG001 - trains within moments
) -> keras.Model:
    """Logits are negative squared distances from each emotion's centre, but for what all of them share."""
    import keras

    if len(np.unique(y)) != classes:
        raise DataError("every emotion needs a clip to train on")
    flat = x.reshape(len(x), -1).astype(np.float64)
    mean, variance = flat.mean(axis=0), flat.var(axis=0) + 1e-6
    standardised = (flat - mean) / np.sqrt(variance)
    centres = np.stack([standardised[y == each].mean(axis=0) for each in range(classes)])
    inputs, distance = keras.Input(x.shape[1:]), keras.layers.Dense(classes)
    normal = keras.layers.Normalization(mean=mean, variance=variance)(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, distance(normal))
    distance.set_weights([2 * centres.T, -np.square(centres).sum(axis=1)])
    return model


CENTRES = Network("acme_centres", SPEC, fit)
