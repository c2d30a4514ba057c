"""Fits a calibration that holds on new corpora, by leaving out each corpus in turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

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
Fit = Callable[[Examples, Path | None], "keras.Model"]
"""Examples and a folder for checkpoints to a model."""


def across_corpora(fit: Fit, examples: Examples, checkpoints: Path | None = None) -> Calibration:
    """The calibration of a model of several corpora.

    For each corpus a probe is trained on the others, but for a fold of their speakers. It is tested on the corpus that
    was left out, and on the speakers that were left out. Both count alike, and so does each corpus. Clips of an emotion
    that a probe cannot tell are left out. Raises DataError if the corpora share no emotion.
    """
    strange: list[HeldOut] = []
    familiar: list[HeldOut] = []
    names = sorted({clip.corpus for clip in examples.clips})
    for number, name in enumerate(names):
        others = examples.of_corpora(other for other in names if other != name)
        fold = _fold(others)
        taught = others.subset(fold.train) if fold else others
        model = fit(taught, checkpoints and checkpoints / f"probe-{number}")
        places = np.array([n for n in range(len(names)) if n != number])
        probe = _Probe(model, others.emotions, _unlikeness(taught), _told(examples.emotions, taught), places)
        shared = [i for i, c in enumerate(examples.clips) if c.corpus == name and c.emotion in others.emotions]
        if shared:
            strange.append(probe.hear(examples.subset(np.array(shared)), examples.emotions, 1.0))
        if fold:
            unheard = others.subset(fold.test)
            own = [_of(unheard, corpus) for corpus in sorted({clip.corpus for clip in unheard.clips})]
            familiar += [probe.hear(unheard.subset(part), examples.emotions, 1 / len(own)) for part in own]
    if not strange:
        raise DataError(f"the corpora {', '.join(names)} share no emotion: a model of them cannot be calibrated")
    numbers = fit_numbers([*strange, *familiar], len(names))
    return Calibration(numbers, _unlikeness(examples), _told(examples.emotions, examples))


@dataclass(frozen=True)
class _Probe:
    """A model of the corpora at the places `corpora`, which tells `emotions` apart; `told` is as in `Calibration`."""

    model: keras.Model
    emotions: tuple[str, ...]
    unlikeness: Unlikeness
    told: Array
    corpora: npt.NDArray[np.intp]

    def hear(self, examples: Examples, emotions: tuple[str, ...], weight: float) -> HeldOut:
        """Its answers, among all `emotions`, to windows that it was not trained on."""
        windows, _ = examples.windows()
        targets = examples.per_window(np.array([emotions.index(clip.emotion) for clip in examples.clips]))
        logits = np.full((len(windows), len(emotions)), NO_LOGIT, np.float32)
        own = [emotions.index(emotion) for emotion in self.emotions]
        logits[:, own] = in_batches(partial(self.model, training=False), windows)
        return HeldOut(logits, targets, in_batches(self.unlikeness, windows), self.told, self.corpora, weight)


def _unlikeness(examples: Examples) -> Unlikeness:
    windows, _ = examples.windows()
    return Unlikeness.of(windows, examples.per_window(np.array([clip.corpus for clip in examples.clips])))


def _told(emotions: tuple[str, ...], examples: Examples) -> Array:
    """For each corpus of the clips, by name, which emotions it can tell: `[corpora, emotions]` of 0 and 1."""
    corpora = {corpus.name: corpus.emotions for corpus in examples.data.corpora}
    names = sorted({clip.corpus for clip in examples.clips})
    return np.array([[emotion in corpora[name] for emotion in emotions] for name in names], np.float32)


def _fold(examples: Examples) -> Fold | None:
    """The first fold of the speakers of every corpus that has two or more; a corpus of one speaker is trained on."""
    speakers: dict[str, set[str]] = {}
    for clip in examples.clips:
        speakers.setdefault(clip.corpus, set()).add(clip.speaker)
    several = {corpus for corpus, own in speakers.items() if len(own) > 1}
    if not several:
        return None
    first = speaker_folds(examples.clips)[0].test
    test = np.array([i for i in first if examples.clips[i].corpus in several])
    return Fold(np.setdiff1d(np.arange(len(examples.clips)), test), test)


def _of(examples: Examples, corpus: str) -> npt.NDArray[np.intp]:
    return np.array([i for i, clip in enumerate(examples.clips) if clip.corpus == corpus])
