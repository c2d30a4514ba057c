"""Fits a calibration that holds on new corpora, by leaving out each corpus in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    """What probes learn from: `examples` without a corpus, and without the test clips of `fold`, if there is one."""

    examples: Examples
    fold: Fold | None

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
    held_out: list[HeldOut] = []
    names = _names(examples)
    for name in names:
        others = probed.examples.of_corpora(other for other in names if other != name)
        own = [i for i, c in enumerate(examples.clips) if c.corpus == name and c.emotion in others.emotions]
        if own:
            held_out.append(_Probe.of(fit, others, names).hear(examples.subset(np.array(own)), examples.emotions))
    if not held_out:
        raise DataError(f"the corpora {', '.join(names)} share no emotion: a model of them cannot be calibrated")
    if probed.fold:
        taught, unheard = probed.examples.subset(probed.fold.train), probed.examples.subset(probed.fold.test)
        probe = _Probe.of(fit, taught, names)
        for name in sorted({*_names(taught)} & {*_names(unheard)}):
            own = [i for i, clip in enumerate(unheard.clips) if clip.corpus == name]
            held_out.append(probe.hear(unheard.subset(np.array(own)), examples.emotions))
    numbers = fit_numbers(held_out, len(names))
    return Calibration(numbers, _unlikeness(examples), _told(examples.emotions, examples))


@dataclass(frozen=True)
class _Probe:
    """A model trained on `taught`, whose corpora are at the places `corpora` among all."""

    model: keras.Model
    taught: Examples
    unlikeness: Unlikeness
    corpora: npt.NDArray[np.intp]

    @classmethod
    def of(cls, fit: Fit, taught: Examples, names: Sequence[str]) -> Self:
        places = np.array([names.index(name) for name in _names(taught)])
        return cls(fit(taught), taught, _unlikeness(taught), places)

    def hear(self, examples: Examples, emotions: tuple[str, ...]) -> HeldOut:
        """Its answers, among all `emotions`, to windows that it was not trained on."""
        windows, _ = examples.windows()
        targets = examples.per_window(np.array([emotions.index(clip.emotion) for clip in examples.clips]))
        logits = np.full((len(windows), len(emotions)), NO_LOGIT, np.float32)
        own = [emotions.index(emotion) for emotion in self.taught.emotions]
        logits[:, own] = in_batches(partial(self.model, training=False), windows)
        distances = in_batches(self.unlikeness, windows)
        return HeldOut(logits, targets, distances, _told(emotions, self.taught), self.corpora)


def _names(examples: Examples) -> list[str]:
    return sorted({clip.corpus for clip in examples.clips})


def _unlikeness(examples: Examples) -> Unlikeness:
    windows, _ = examples.windows()
    return Unlikeness.of(windows, examples.per_window(np.array([clip.corpus for clip in examples.clips])))


def _told(emotions: tuple[str, ...], examples: Examples) -> Array:
    """For each corpus of the clips, by name, which emotions it can tell: `[corpora, emotions]` of 0 and 1."""
    corpora = {corpus.name: corpus.emotions for corpus in examples.data.corpora}
    return np.array([[emotion in corpora[name] for emotion in emotions] for name in _names(examples)], np.float32)
