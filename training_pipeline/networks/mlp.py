"""scikit-learn's multi-layer perceptron, and the Keras layers that compute the same."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from training_pipeline.errors import MissingClassesError

HIDDEN = (300,)
MAX_ITER = 200


def fit(
    x: npt.NDArray[np.float32], y: npt.NDArray[np.intp], classes: int, seed: int
) -> tuple[StandardScaler, MLPClassifier]:
    """Fit on features `[n, frames, bins]`; returns scaler and classifier. Raises MissingClassesError."""
    if missing := sorted(set(range(classes)) - set(y.tolist())):
        raise MissingClassesError(missing)
    flat = x.reshape(len(x), -1)
    scaler = StandardScaler().fit(flat)
    classifier = MLPClassifier(HIDDEN, alpha=0.01, batch_size=min(256, len(x)), max_iter=MAX_ITER, random_state=seed)
    # One thread: how many there are changes sums, and with them the figures; small matrices gain nothing from more.
    with threadpool_limits(1), warnings.catch_warnings():
        # The number of epochs is chosen beforehand, not by convergence.
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(scaler.transform(flat), y)
    return scaler, classifier


def to_keras(scaler: StandardScaler, classifier: MLPClassifier, shape: tuple[int, ...]) -> keras.Model:
    """Dense layers with the classifier's weights: features `[n, *shape]` to logits `[n, classes]`."""
    inputs = keras.Input(shape)
    normalization = keras.layers.Normalization(mean=scaler.mean_, variance=scaler.var_)
    hidden = normalization(keras.layers.Flatten()(inputs))
    layers = []
    for index, bias in enumerate(classifier.intercepts_):
        last = index == len(classifier.intercepts_) - 1
        layer = keras.layers.Dense(len(bias), activation=None if last else "relu")
        hidden = layer(hidden)
        layers.append(layer)
    model = keras.Model(inputs, _two_logits(hidden) if len(classifier.classes_) == 2 else hidden)
    for layer, kernel, bias in zip(layers, classifier.coefs_, classifier.intercepts_, strict=True):
        layer.set_weights([kernel, bias])
    return model


def _two_logits(logit: keras.KerasTensor) -> keras.KerasTensor:
    # With two classes scikit-learn has one output; softmax of (0, z) is the logistic function of z.
    return keras.layers.Concatenate()([keras.layers.Rescaling(0.0)(logit), logit])
