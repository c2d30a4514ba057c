"""The calibration of a model of several corpora, which depends on how unlike each of them a window sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from training_pipeline.training.calibrate import softmax
from training_pipeline.training.unlikeness import Unlikeness

Array = npt.NDArray[Any]
EXACT = ("logits", "distances")
SHARPNESS = 2.0
"""The sharpness if it cannot be fitted. On RAVDESS, CREMA-D and nEMO it was fitted as 6, its bound."""


@dataclass(frozen=True)
class Numbers:
    """What is fitted: a temperature for each corpus, `[corpora]`, and two powers of distances."""

    temperatures: Array
    exponent: float
    sharpness: float


@dataclass(frozen=True)
class Calibration:
    """A temperature for each window, by its distances from the corpora of training.

    It is a geometric mean of the corpora's own temperatures, as their emotions are not equally plain, times
    `(1 + least distance) ** exponent`. In the mean a corpus has the weight `(1 + distance) ** -sharpness`. On sounds
    unlike all that it was trained on, a model is more confident than accurate (Ovadia et al. 2019, Can You Trust Your
    Model's Uncertainty?); one temperature for all sounds cannot correct that.
    """

    numbers: Numbers
    unlikeness: Unlikeness

    def __call__(self, logits: Any, features: Any) -> Any:
        """Calibrated logits, as a tensor, of a model's logits `[n, emotions]` and features `[n, frames, bins]`."""
        from keras import ops

        return calibrated(ops, logits, self.unlikeness(features), self.numbers)


def calibrated(library: Any, logits: Any, distances: Any, numbers: Numbers) -> Any:
    """Calibrated logits `[n, emotions]`; `library` is that of the arrays: numpy or `keras.ops`.

    `distances` `[n, corpora]` are those of `Unlikeness`.
    """
    weights = (1 + distances) ** -numbers.sharpness
    shares = weights / library.sum(weights, axis=1, keepdims=True)
    own: list[float] = np.log(numbers.temperatures).tolist()  # numbers without a precision take that of the arrays
    temperature = library.exp(library.sum(shares * own, axis=1, keepdims=True))
    return logits / (temperature * (1 + library.min(distances, axis=1, keepdims=True)) ** numbers.exponent)


@dataclass(frozen=True)
class HeldOut:
    """A model's answers to windows that it was not trained on, which together have the weight `weight`.

    Logits `[n, emotions]`, class indices `[n]`, distances `[n, corpora]` from the corpora that it was trained on, and
    which of all corpora these are, `[corpora]`.
    """

    logits: Array
    targets: Array
    distances: Array
    corpora: Array
    weight: float = 1.0

    def subset(self, chosen: npt.NDArray[np.bool_]) -> HeldOut:
        """The answers to those windows where `chosen` `[n]` is true; together they have the same weight."""
        own = {name: getattr(self, name)[chosen] for name in ("logits", "targets", "distances")}
        return replace(self, **own)


def fit_numbers(parts: Sequence[HeldOut], corpora: int) -> Numbers:
    """The numbers with the least negative log-likelihood of the parts, for so many corpora.

    Temperatures are in 0.05 to 20, the exponent in 0 to 3, the sharpness in 0 to 6; if no model was trained on two
    corpora, the sharpness cannot be fitted and is `SHARPNESS`.
    """
    several = any(len(part.corpora) > 1 for part in parts)
    # In single precision the loss does not change with the steps of numerical differentiation.
    exact = [replace(p, **{name: getattr(p, name).astype(np.float64) for name in EXACT}) for p in parts]

    def numbers(of: Array) -> Numbers:
        return Numbers(np.exp(of[2:]), float(of[0]), float(of[1]) if several else SHARPNESS)

    def loss(of: Array) -> float:
        return float(sum(part.weight * _mean_loss(part, numbers(of)) for part in exact))

    bounds = [(0, 3), (0, 6), *[(np.log(0.05), np.log(20))] * corpora]
    start = np.array([0.3, SHARPNESS, *[0.0] * corpora])
    return numbers(minimize(loss, start, method="L-BFGS-B", bounds=bounds).x)


def _mean_loss(part: HeldOut, numbers: Numbers) -> float:
    own = Numbers(numbers.temperatures[part.corpora], numbers.exponent, numbers.sharpness)
    probabilities = softmax(calibrated(np, part.logits, part.distances, own))
    return float(-np.log(probabilities[np.arange(len(part.targets)), part.targets] + 1e-12).mean())
