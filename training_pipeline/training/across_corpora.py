"""Fits a calibration that holds on new corpora, by leaving out each corpus in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from training_pipeline.data.folds import Fold, first_speakers, teaches_all
from training_pipeline.errors import DataError
from training_pipeline.training.calibration import Calibration, HeldOut, fit_numbers
from training_pipeline.training.examples import Examples
from training_pipeline.training.unlikeness import Unlikeness
from training_pipeline.training.windows import in_batches

if TYPE_CHECKING:
    import keras

NO_LOGIT = -1e9
"""The logit of an emotion that a model does not tell apart."""
Fit = Callable[[Examples], "keras.Model"]
"""Trains a network on examples: a model from features `[n, frames, bins]` to logits `[n, emotions]`."""


@dataclass(frozen=True)
class Probes:
    """Networks that are trained on a part of `examples`, and their answers to the rest, for a calibration.

    For each corpus there is a probe without it. One more is without the test clips of `fold`, unless that is None.
    Models of the same network can share probes: give each the same `examples` and the same dictionary `answers`.
    """

    examples: Examples
    fold: Fold | None
    answers: dict[object, HeldOut] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Examples) -> Self:
        """With the `folds.first_speakers` as test speakers of the fold.

        There is no fold if each corpus has one speaker, or if an emotion has clips of these test speakers alone.
        """
        first = first_speakers(examples.clips)
        test = np.array([i for i, clip in enumerate(examples.clips) if clip.speaker in first], np.intp)
        fold = Fold(np.setdiff1d(np.arange(len(examples.clips)), test), test) if len(test) else None
        return cls(examples, fold if fold and teaches_all(examples.clips, fold) else None)

    def ask(self, fit: Fit, train: Examples, test: Examples) -> HeldOut:
        """The answers to `test` of a probe that `fit` trains on `train`, unless `answers` has them already."""
        key = tuple(tuple(clip.path for clip in each.clips) for each in (train, test))
        if key not in self.answers:
            places = [_names(self.examples).index(name) for name in _names(train)]
            self.answers[key] = _answers(fit(train), train, test, self.examples.emotions, np.array(places))
        return self.answers[key]


def across_corpora(fit: Fit, examples: Examples, probes: Probes | None = None) -> Calibration:
    """The calibration of a model of several corpora, trained on `examples`.

    For each corpus a probe is trained on the others and tested on it: its recordings stand for those of strangers. One
    more is trained without a fold of the speakers and tested on these: their recordings stand for those of the same
    studios. In both, every corpus has the same weight. Clips of an emotion that a probe cannot tell are left out.
    Raises DataError if the corpora share no emotion.

    `probes`, by default `Probes.of(examples)`, may have more clips than `examples`, so that models of several folds can
    share them. Only answers to clips of `examples` count, which must include the test clips of the probes' fold.
    """
    probes = probes or Probes.of(examples)
    names, paths = _names(examples), {clip.path for clip in examples.clips}
    held_out: list[HeldOut] = []
    for name in names:
        others = probes.examples.of_corpora(other for other in names if other != name)
        own = _clips_of(probes.examples, name, others.emotions)
        if any(counts := [clip.path in paths for clip in own.clips]):
            held_out.append(probes.ask(fit, others, own).subset(own.per_window(np.array(counts))))
    if not held_out:
        raise DataError(f"the corpora {', '.join(names)} share no emotion: a model of them cannot be calibrated")
    if probes.fold:
        train, test = probes.examples.subset(probes.fold.train), probes.examples.subset(probes.fold.test)
        answers = probes.ask(fit, train, test)
        for name in sorted({*_names(train)} & {*_names(test)}):
            held_out.append(answers.subset(test.per_window(np.array([clip.corpus == name for clip in test.clips]))))
    numbers = fit_numbers(held_out, len(names))
    return Calibration(numbers, _unlikeness(examples))


def _answers(
    model: keras.Model, train: Examples, test: Examples, emotions: tuple[str, ...], corpora: npt.NDArray[np.intp]
) -> HeldOut:
    """The answers to `test`, among all `emotions`, of a model of `train`, whose corpora have the places `corpora`."""
    windows, _ = test.windows()
    targets = test.per_window(np.array([emotions.index(clip.emotion) for clip in test.clips]))
    logits = np.full((len(windows), len(emotions)), NO_LOGIT, np.float32)
    own = [emotions.index(emotion) for emotion in train.emotions]
    logits[:, own] = in_batches(partial(model, training=False), windows)
    distances = in_batches(_unlikeness(train), windows)
    return HeldOut(logits, targets, distances, corpora)


def _clips_of(examples: Examples, corpus: str, emotions: tuple[str, ...]) -> Examples:
    """The clips of one corpus that have one of the emotions."""
    own = [i for i, clip in enumerate(examples.clips) if clip.corpus == corpus and clip.emotion in emotions]
    return examples.subset(np.array(own, np.intp))


def _names(examples: Examples) -> list[str]:
    return sorted({clip.corpus for clip in examples.clips})


def _unlikeness(examples: Examples) -> Unlikeness:
    windows, _ = examples.windows()
    return Unlikeness.of(windows, examples.per_window(np.array([clip.corpus for clip in examples.clips])))
