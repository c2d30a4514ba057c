"""Held-out predictions, and every figure that one cross-validation has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from training_pipeline.training.calibrate import expected_calibration_error
from training_pipeline.training.examples import Examples

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """Held-out probabilities `[clips, emotions]` of every clip, and the fold in which it was held out."""

    probabilities: npt.NDArray[np.float64]
    fold: npt.NDArray[np.intp]


def measure(predictions: Predictions, examples: Examples) -> dict[str, Any]:
    """Figures of a cross-validation as JSON: accuracy and UAR are means over folds, the rest is of all clips.

    This is how figures on RAVDESS are published. What stands beside an interval is `measure_pooled`.
    """
    targets, predicted = examples.targets, predictions.probabilities.argmax(axis=1)
    numbers = sorted(set(predictions.fold.tolist()))
    folds = [_scores(targets[predictions.fold == n], predicted[predictions.fold == n]) for n in numbers]
    sexes = np.array([clip.sex for clip in examples.clips])
    return {
        "clips": len(targets),
        "accuracy": _mean(folds, "accuracy"),
        "accuracy_std": float(np.std([fold["accuracy"] for fold in folds])),
        "uar": _mean(folds, "uar"),
        "folds": folds,
        "per_label": _per_emotion(targets, predicted, examples.emotions),
        "per_sex": {s: float((targets == predicted)[sexes == s].mean()) for s in sorted(set(sexes.tolist())) if s},
        "confusion": confusion_matrix(targets, predicted, labels=range(len(examples.emotions))).tolist(),
        "ece": expected_calibration_error(predictions.probabilities, targets),
    }


def measure_pooled(predictions: Predictions, examples: Examples) -> dict[str, Any]:
    """The same with accuracy and UAR over all held-out clips, of which folds of unlike sizes have unlike parts."""
    everything = _scores(examples.targets, predictions.probabilities.argmax(axis=1))
    return {**measure(predictions, examples), **everything}


def _scores(targets: Array, predicted: Array) -> dict[str, float]:
    """UAR is the mean recall of the emotions that occur: a fold may lack some."""
    recalls = [(predicted[targets == emotion] == emotion).mean() for emotion in np.unique(targets)]
    return {
        "clips": len(targets),
        "accuracy": float((predicted == targets).mean()),
        "uar": float(np.mean(recalls)),
    }


def _mean(folds: list[dict[str, float]], name: str) -> float:
    return float(np.mean([fold[name] for fold in folds]))


def _per_emotion(targets: Array, predicted: Array, emotions: tuple[str, ...]) -> dict[str, dict[str, float]]:
    columns = precision_recall_fscore_support(targets, predicted, labels=range(len(emotions)), zero_division=0)
    names = ("precision", "recall", "f1", "clips")
    return {name: {n: float(c[i]) for n, c in zip(names, columns, strict=True)} for i, name in enumerate(emotions)}
