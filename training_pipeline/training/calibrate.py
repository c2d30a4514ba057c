"""Temperature scaling (Guo et al. 2017, On Calibration of Modern Neural Networks)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.stats import norm

Array = npt.NDArray[Any]
MIN_CONFIDENCE = 0.5
"""Below it an answer is `uncertain`: the gateway's default, which this package cannot import; a test compares them."""

_RATIOS = np.linspace(0, 6, 601)
_MEANS = np.sqrt(2 / np.pi) * np.exp(-(_RATIOS**2) / 2) + _RATIOS * (1 - 2 * norm.cdf(-_RATIOS))
"""Mean of |x| for x normal around each ratio, with deviation 1."""


def softmax(logits: Array) -> npt.NDArray[np.float64]:
    """Rows of `[n, emotions]` to probabilities."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def fit_temperature(logits: Array, targets: Array, weights: Array | None = None) -> float:
    """The temperature in 0.05 to 20 that minimises the negative log-likelihood of `targets`, weighted by `weights`."""

    def loss(log_temperature: float) -> float:
        probabilities = softmax(logits / np.exp(log_temperature))
        losses = -np.log(probabilities[np.arange(len(targets)), targets] + 1e-12)
        return float(losses.mean() if weights is None else np.average(losses, weights=weights))

    return float(np.exp(minimize_scalar(loss, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def expected_calibration_error(probabilities: Array, targets: Array, bins: int = 10) -> float:
    """ECE: mean gap between confidence and accuracy over equal-width bins, weighted by their clips."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[which == b].mean() - correct[which == b].mean()) * (which == b).mean() for b in set(which)]
    return float(sum(gaps))


def debiased_calibration_error(confidence: Array, correct: Array, bins: int = 15) -> float:
    """ECE over bins of equally many clips, less what chance alone adds to it.

    With few clips in a bin, accuracy strays from confidence even in a perfect model: a gap g and this many clips
    show |x| on average, x normal around g. In each bin the gap is taken that would show what is seen, and the
    excess of that is subtracted; the sum is not below 0. (Kumar et al. 2019, Verified Uncertainty Calibration,
    take the gap seen for the true one, which leaves a perfect model with two thirds of its chance error; this
    leaves it with less than half, so still errs on the high side.)
    """
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(confidence)))
    accuracy = np.array([correct[part].mean() for part in parts])
    seen = np.abs([confidence[part].mean() for part in parts] - accuracy)
    counts = np.array([len(part) for part in parts])
    spread = np.maximum(np.sqrt(accuracy * (1 - accuracy) / counts), 1e-9)
    ratio = seen / spread
    # Beyond the table a folded normal's mean is the normal's.
    gap = np.where(ratio < _MEANS[-1], np.interp(ratio, _MEANS, _RATIOS), ratio)
    excess = np.where(ratio < _MEANS[0], _MEANS[0], ratio - gap)
    return max(0.0, float(np.average(seen - excess * spread, weights=counts)))


def calibration_interval(
    confidence: Array, correct: Array, speakers: Array, draws: int = 1000, level: float = 0.95, seed: int = 0
) -> list[float] | None:
    """Bootstrap interval of the debiased ECE over speakers, as clips of one speaker are not independent; in 0 to 1.

    None for one speaker, who says nothing of others.

    From the lower of two lower ends to the higher of two upper ends, so rather too wide. Drawing repeats clips and so
    adds noise of its own to every draw: percentiles of the draws keep that shift. The basic interval, mirrored at the
    estimate, takes it back, but near 0, where the estimate is cut off, is far too narrow.
    """
    random = np.random.default_rng(seed)
    clips_of = [np.flatnonzero(speakers == speaker) for speaker in np.unique(speakers)]
    if len(clips_of) < 2:
        return None
    estimate = debiased_calibration_error(confidence, correct)
    drawn = []
    for _ in range(draws):
        chosen = np.concatenate([clips_of[i] for i in random.integers(0, len(clips_of), len(clips_of))])
        drawn.append(debiased_calibration_error(confidence[chosen], correct[chosen]))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return [max(0.0, float(min(low, 2 * estimate - high))), min(1.0, float(max(high, 2 * estimate - low)))]
