"""How well a network does on speakers it never heard, and how much a random split would flatter it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from training_pipeline.data.folds import Fold
from training_pipeline.evaluation.across import Heard
from training_pipeline.evaluation.figures import Predictions
from training_pipeline.networks.registry import Network
from training_pipeline.progress import Progress, no_progress
from training_pipeline.training.across_corpora import Probes
from training_pipeline.training.calibration import HeldOut
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

    With the folder `checkpoints`, an interrupted call resumes. `tested` is called with each fold's model
    and test clips, for other measurements on them.

    Models of several corpora share the probes that calibrate them. A probe without a corpus has therefore learned from
    test clips of the other corpora. The probe without some speakers is trained on the training clips of the next fold.
    The calibration of a fold follows from answers to its training clips alone. Three corpora in five folds then take 13
    fits instead of 25; with `checkpoints` and the seed of the probes 8, as five probes are also models of folds.
    """
    probabilities = np.zeros((len(examples.clips), len(examples.emotions)))
    which = np.zeros(len(examples.clips), np.intp)
    answers: dict[object, HeldOut] = {}
    for number, fold in enumerate(folds):
        probes = _probes(examples, fold, folds[(number + 1) % len(folds)], answers)
        trained = train(network, examples.subset(fold.train), seed, checkpoints, probes)
        test = examples.subset(fold.test)
        probabilities[fold.test] = trained.predict(test.features)
        which[fold.test] = number
        if tested:
            tested(trained, test)
        progress()
    return Predictions(probabilities, which)


def _probes(examples: Examples, fold: Fold, following: Fold, answers: dict[object, HeldOut]) -> Probes | None:
    """The probes of a fold; None if the fold tests a whole corpus, which a shared probe would have learned from."""
    names = {clip.corpus for clip in examples.clips}
    trained_on = {examples.clips[i].corpus for i in fold.train}
    return Probes(examples, following, answers) if trained_on == names else None


def heard_in_folds(predictions: Predictions, examples: Examples, seed: int) -> list[Heard]:
    """A cross-validation over several corpora, corpus by corpus: each was trained on, its test speakers were not.

    A corpus that one fold tests whole, as it has one speaker, was left out.
    """
    found = []
    for corpus in examples.data.corpora:
        own = [i for i, clip in enumerate(examples.clips) if clip.corpus == corpus.name]
        clips = [examples.clips[i] for i in own]
        left_out = len(set(predictions.fold[own])) == 1
        found.append(Heard(corpus.name, left_out, seed, clips, examples.emotions, predictions.probabilities[own]))
    return found


def leave_corpora_out(
    network: Network,
    examples: Examples,
    seed: int,
    progress: Progress = no_progress,
    checkpoints: Path | None = None,
) -> list[Heard]:
    """For each corpus, train on all others and answer its clips; nothing is chosen on them.

    A model tells the emotions of the clips that it was trained on. With the folder `checkpoints`, an interrupted call
    resumes.
    """
    found = []
    names = [corpus.name for corpus in examples.data.corpora]
    for name in names:
        others = examples.of_corpora(other for other in names if other != name)
        trained = train(network, others, seed, checkpoints)
        own = examples.of_corpora([name])
        answers = trained.predict(own.features)
        found.append(Heard(name, True, seed, own.clips, others.emotions, answers))
        progress()
    return found
