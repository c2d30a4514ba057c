"""How well a network does on speakers it never heard, and how much a random split would flatter it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, precision_recall_fscore_support

from training_pipeline.data.folds import Fold
from training_pipeline.networks.registry import Network
from training_pipeline.training.calibrate import expected_calibration_error
from training_pipeline.training.train import Examples, Trained, train

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """Held-out probabilities `[clips, labels]` of every clip, and the fold in which it was held out."""

    probabilities: npt.NDArray[np.float64]
    fold: npt.NDArray[np.intp]


def cross_validate(
    network: Network,
    examples: Examples,
    folds: Sequence[Fold],
    seed: int,
    progress: Callable[[], None] = lambda: None,
    checkpoints: Path | None = None,
    tested: Callable[[Trained, Examples], None] | None = None,
) -> Predictions:
    """Train on each fold's training clips, predict its test clips; nothing is chosen on the latter.

    With the folder `checkpoints`, an interrupted call goes on where it was. `tested` is called with each fold's model
    and test clips, for other measurements on them.
    """
    probabilities = np.zeros((len(examples.clips), len(examples.labels)))
    which = np.zeros(len(examples.clips), np.intp)
    for number, fold in enumerate(folds):
        trained = train(network, examples.subset(fold.train), seed, checkpoints and checkpoints / f"fold-{number}")
        test = examples.subset(fold.test)
        probabilities[fold.test] = trained.predict(test.features)
        which[fold.test] = number
        if tested:
            tested(trained, test)
        progress()
    return Predictions(probabilities, which)


def measure(predictions: Predictions, examples: Examples) -> dict[str, Any]:
    """Figures of a cross-validation as JSON: means over folds, the rest over all held-out clips."""
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
        "per_label": _per_label(targets, predicted, examples.labels),
        "per_sex": {s: float((targets == predicted)[sexes == s].mean()) for s in sorted(set(sexes.tolist())) if s},
        "confusion": confusion_matrix(targets, predicted, labels=range(len(examples.labels))).tolist(),
        "ece": expected_calibration_error(predictions.probabilities, targets),
    }


def _scores(targets: Array, predicted: Array) -> dict[str, float]:
    return {
        "clips": len(targets),
        "accuracy": float(accuracy_score(targets, predicted)),
        "uar": float(balanced_accuracy_score(targets, predicted)),
    }


def _mean(folds: list[dict[str, float]], name: str) -> float:
    return float(np.mean([fold[name] for fold in folds]))


def _per_label(targets: Array, predicted: Array, labels: tuple[str, ...]) -> dict[str, dict[str, float]]:
    columns = precision_recall_fscore_support(targets, predicted, labels=range(len(labels)), zero_division=0)
    names = ("precision", "recall", "f1", "clips")
    return {label: {n: float(c[i]) for n, c in zip(names, columns, strict=True)} for i, label in enumerate(labels)}
