"""Fits a calibration that holds on new corpora, by leaving out each corpus in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from training_pipeline.data.folds import Fold, speaker_folds
from training_pipeline.errors import DataError
from training_pipeline.training.calibration import Calibration, HeldOut, fit_numbers
from training_pipeline.training.examples import Array, Examples
from training_pipeline.training.unlikeness import Unlikeness
from training_pipeline.training.windows import in_batches

if TYPE_CHECKING:
    import keras

NO_LOGIT = -1e9
"""The logit of an emotion that a model does not tell apart."""
Fit = Callable[[Examples], "keras.Model"]


@dataclass(frozen=True)
class Probed:
    """What probes learn from: `examples` without a corpus, and without the test clips of `fold`, if there is one.

    Who calibrates several models by the same probes hands the same dictionary `answers` to each, which keeps them.
    """

    examples: Examples
    fold: Fold | None
    answers: dict[object, HeldOut] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Examples) -> Self:
        """With the first fold of the speakers of every corpus that has two or more; one speaker is trained on."""
        speakers: dict[str, set[str]] = {}
        for clip in examples.clips:
            speakers.setdefault(clip.corpus, set()).add(clip.speaker)
        several = {corpus for corpus, own in speakers.items() if len(own) > 1}
        if not several:
            return cls(examples, None)
        first = speaker_folds(examples.clips)[0].test
        test = np.array([i for i in first if examples.clips[i].corpus in several])
        return cls(examples, Fold(np.setdiff1d(np.arange(len(examples.clips)), test), test))

    def ask(self, fit: Fit, taught: Examples, asked: Examples) -> HeldOut:
        """The answers of a probe trained on `taught` to `asked`."""
        key = tuple(tuple(clip.path for clip in each.clips) for each in (taught, asked))
        if key not in self.answers:
            places = [_names(self.examples).index(name) for name in _names(taught)]
            self.answers[key] = _hear(fit(taught), taught, asked, self.examples.emotions, np.array(places))
        return self.answers[key]


def across_corpora(fit: Fit, examples: Examples, probed: Probed | None = None) -> Calibration:
    """The calibration of a model of several corpora, trained on `examples`.

    For each corpus a probe is trained on the others and tested on it: it stands for the recordings of strangers. One
    more is trained on all but a fold of the speakers and tested on these: they stand for the same studios. Each corpus
    counts alike in both. Clips of an emotion that a probe cannot tell are left out. Raises DataError if the corpora
    share no emotion.

    `probed` may have more clips than `examples`, so that models which are calibrated beside each other share probes:
    only answers to `examples` count.
    """
    probed = probed or Probed.of(examples)
    names, paths = _names(examples), {clip.path for clip in examples.clips}
    held_out: list[HeldOut] = []
    for name in names:
        others = probed.examples.of_corpora(other for other in names if other != name)
        own = _of(probed.examples, name, others.emotions)
        if any(counts := [clip.path in paths for clip in own.clips]):
            held_out.append(probed.ask(fit, others, own).part(own.per_window(np.array(counts))))
    if not held_out:
        raise DataError(f"the corpora {', '.join(names)} share no emotion: a model of them cannot be calibrated")
    if probed.fold:
        taught, unheard = probed.examples.subset(probed.fold.train), probed.examples.subset(probed.fold.test)
        answers = probed.ask(fit, taught, unheard)
        for name in sorted({*_names(taught)} & {*_names(unheard)}):
            held_out.append(answers.part(unheard.per_window(np.array([clip.corpus == name for clip in unheard.clips]))))
    numbers = fit_numbers(held_out, len(names))
    return Calibration(numbers, _unlikeness(examples), _told(examples.emotions, examples))


def _hear(
    model: keras.Model, taught: Examples, asked: Examples, emotions: tuple[str, ...], corpora: npt.NDArray[np.intp]
) -> HeldOut:
    """Answers, among all `emotions`, of a model trained on `taught`, whose corpora are at these places among all."""
    windows, _ = asked.windows()
    targets = asked.per_window(np.array([emotions.index(clip.emotion) for clip in asked.clips]))
    logits = np.full((len(windows), len(emotions)), NO_LOGIT, np.float32)
    own = [emotions.index(emotion) for emotion in taught.emotions]
    logits[:, own] = in_batches(partial(model, training=False), windows)
    distances = in_batches(_unlikeness(taught), windows)
    return HeldOut(logits, targets, distances, _told(emotions, taught), corpora)


def _of(examples: Examples, corpus: str, emotions: tuple[str, ...]) -> Examples:
    """Those of one corpus that have one of the emotions."""
    own = [i for i, clip in enumerate(examples.clips) if clip.corpus == corpus and clip.emotion in emotions]
    return examples.subset(np.array(own, np.intp))


def _names(examples: Examples) -> list[str]:
    return sorted({clip.corpus for clip in examples.clips})


def _unlikeness(examples: Examples) -> Unlikeness:
    windows, _ = examples.windows()
    return Unlikeness.of(windows, examples.per_window(np.array([clip.corpus for clip in examples.clips])))


def _told(emotions: tuple[str, ...], examples: Examples) -> Array:
    """For each corpus of the clips, by name, which emotions it can tell: `[corpora, emotions]` of 0 and 1."""
    corpora = {corpus.name: corpus.emotions for corpus in examples.data.corpora}
    return np.array([[emotion in corpora[name] for emotion in emotions] for name in _names(examples)], np.float32)
