"""Temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar

Array = npt.NDArray[Any]


def softmax(logits: Array) -> npt.NDArray[np.float64]:
    """Rows of `[n, labels]` to probabilities."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def fit_temperature(logits: Array, targets: Array) -> float:
    """The temperature in 0.05 to 20 that minimises the negative log-likelihood of `targets`."""

    def loss(log_temperature: float) -> float:
        probabilities = softmax(logits / np.exp(log_temperature))
        return float(-np.log(probabilities[np.arange(len(targets)), targets] + 1e-12).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def expected_calibration_error(probabilities: Array, targets: Array, bins: int = 10) -> float:
    """ECE: mean gap between confidence and accuracy over equal-width bins, weighted by their clips."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[which == b].mean() - correct[which == b].mean()) * (which == b).mean() for b in set(which)]
    return float(sum(gaps))
