"""A detector of speech: a sound without any must not be given an emotion with confidence.

Source: Hendrycks et al. 2019, Deep Anomaly Detection with Outlier Exposure. Here the sounds train a detector beside the
network rather than the network itself.
"""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
from keras import ops
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from training_pipeline.networks.pretrained.augment import Augmentation

Array = npt.NDArray[np.float32]
NOISE_DB = (-5.0, 20.0)
"""Level of noise below speech that must still be heard as speech; more than training for emotions has."""
INVERSE_REGULARISATION = 0.01
"""scikit-learn's C. Its default of 1 told made-up noise from speech, and doubted speech in real noise."""


def in_noise(x: Array) -> Array:
    """A copy of each window `[n, frames, 80]` in noise, the same each time for the same `x`."""
    random, augment = np.random.default_rng(0), Augmentation(noise_db=NOISE_DB)
    return np.stack([augment.noise(window, random) for window in x])


def with_detector(
    model: keras.Model, state: keras.KerasTensor, speech: Array, noisy: Array, sounds: Array
) -> keras.Model:
    """The model with its logits times the probability that there is speech: without any, all classes are alike.

    The detector hears mean and deviation over time of `state`, one of the model's. It learns from those of windows that
    hold speech, `speech` `[n, copies, 2, width]` and `noisy` `[n, 2, width]`, and of `sounds` `[n, 2, width]` without.
    """
    heard = ops.concatenate([ops.mean(state, axis=1), ops.std(state, axis=1)], axis=-1)
    detector = keras.layers.Dense(1, activation="sigmoid", name="speech", trainable=False)
    answered = model.outputs[0] * detector(heard)
    values = heard.shape[-1]
    with_speech = np.concatenate([speech.reshape(-1, values), noisy.reshape(-1, values)])
    detector.set_weights(_logistic(with_speech, sounds.reshape(-1, values)))
    return keras.Model(model.inputs[0], answered, name=model.name)


def _logistic(speech: Array, sounds: Array) -> list[Array]:
    """Kernel `[values, 1]` and bias `[1]` of a logistic regression; both kinds count as if equally many."""
    x = np.concatenate([speech, sounds]).astype(np.float64)
    y = np.repeat([1, 0], [len(speech), len(sounds)])
    scale = StandardScaler().fit(x)
    regression = LogisticRegression(C=INVERSE_REGULARISATION, class_weight="balanced", max_iter=1_000)
    regression.fit(scale.transform(x), y)
    kernel = regression.coef_[0] / scale.scale_
    bias = regression.intercept_ - kernel @ scale.mean_
    return [np.asarray(kernel[:, np.newaxis], np.float32), np.asarray(bias, np.float32)]
