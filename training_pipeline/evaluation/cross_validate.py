"""How well a network does on speakers it never heard, and how much a random split would flatter it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from training_pipeline.data.folds import Fold
from training_pipeline.evaluation.figures import Predictions
from training_pipeline.networks.registry import Network
from training_pipeline.progress import Progress, no_progress
from training_pipeline.training.examples import Examples
from training_pipeline.training.train import Trained, train


def cross_validate(
    network: Network,
    examples: Examples,
    folds: Sequence[Fold],
    seed: int,
    progress: Progress = no_progress,
    checkpoints: Path | None = None,
    tested: Callable[[Trained, Examples], None] | None = None,
) -> Predictions:
    """Train on each fold's training clips, predict its test clips; nothing is chosen on the latter.

    With the folder `checkpoints`, an interrupted call goes on where it was. `tested` is called with each fold's model
    and test clips, for other measurements on them.
    """
    probabilities = np.zeros((len(examples.clips), len(examples.emotions)))
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
