"""Fit a network on clips, and calibrate it on speakers it has not heard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from training_pipeline.data.folds import Fold, calibration_fold, clip_folds
from training_pipeline.errors import DataError, MissingClassesError
from training_pipeline.identity import identity
from training_pipeline.networks.registry import Network
from training_pipeline.training.across_corpora import Fit, Probes, across_corpora
from training_pipeline.training.calibrate import fit_temperature
from training_pipeline.training.calibration import Calibration
from training_pipeline.training.examples import Array, Examples
from training_pipeline.training.shares import has_shares, loses_by_labels, shares
from training_pipeline.training.windows import in_batches, per_clip

if TYPE_CHECKING:
    import keras

PROBE_SEED = 0
"""Of the fit that gives the temperature, which belongs to a recipe and its speakers and not to one run."""
_log = logging.getLogger(__name__)


class Method(StrEnum):
    """What the clips were from which a temperature was chosen, on which the network that answered had not learnt."""

    NONE = "none"
    SPEAKERS = "speakers"
    CLIPS = "clips"
    CORPORA = "corpora"


@dataclass(frozen=True)
class Trained:
    """A model from features to logits, its temperature or, for several corpora, its calibration, and its method."""

    model: keras.Model
    temperature: float | Calibration
    method: Method = Method.NONE

    def probabilities(self, features: Any) -> Any:
        """Calibrated probabilities `[n, emotions]` of features `[n, frames, bins]`, as tensors: what is served."""
        from keras import ops

        logits = self.model(features, training=False)
        if isinstance(self.temperature, Calibration):
            return ops.softmax(self.temperature(logits, features))
        return ops.softmax(logits / self.temperature)

    def predict(self, features: Sequence[Array]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities `[clips, emotions]`, averaged over each clip's windows as in serving."""
        return per_clip(in_batches(self.probabilities, np.concatenate(features)), features)


def train(
    network: Network,
    examples: Examples,
    seed: int,
    checkpoints: Path | None = None,
    probes: Probes | None = None,
) -> Trained:
    """Fit on all examples; the calibration comes from further fits that held out some of them.

    With one corpus, a fifth of the speakers is held out, for a temperature: the first whose emotions others have too.
    With several corpora, each is held out in turn, and some speakers of each, for a `Calibration`: a probability should
    mean the same on a stranger's recordings as on these; `probes` are as in `across_corpora`. With one speaker, or if
    none can be held out, parts of the clips are held out in turn, and a probability holds for these speakers alone.
    A network that is not to be calibrated has a temperature of 1.

    With the folder `checkpoints`, an interrupted call resumes, and what another call has fitted is not fitted again.
    All calls with one folder must train the same network by the same code.
    """
    temperature: float | Calibration = 1.0
    method = Method.NONE
    if network.calibrated:
        fit = partial(_fit, network, PROBE_SEED, checkpoints)
        if len({clip.corpus for clip in examples.clips}) > 1:
            temperature, method = across_corpora(fit, examples, probes), Method.CORPORA
        elif inner := calibration_fold(examples.clips):
            temperature, method = _across_speakers(fit, examples, inner), Method.SPEAKERS
        elif (found := _across_clips(fit, examples)) is not None:
            temperature, method = found, Method.CLIPS
    return Trained(_fit(network, seed, checkpoints, examples), temperature, method)


def _fit(network: Network, seed: int, checkpoints: Path | None, examples: Examples) -> keras.Model:
    x, y = examples.windows()
    rows: npt.NDArray[Any] = y
    if has_shares(examples.data):
        if network.takes_shares:
            rows = examples.per_window(shares(examples.data))
        elif loses_by_labels(examples.data):
            _warn_of_labels(network.name)
    folder = checkpoints and checkpoints / _name(examples, seed)
    try:
        return network.fit(x, rows, len(examples.emotions), seed, folder)
    except MissingClassesError as error:
        missing = ", ".join(examples.emotions[number] for number in error.classes)
        raise DataError(f"{network.name} learns from clips of every emotion; there is none of {missing}") from error


@cache
def _warn_of_labels(name: str) -> None:
    """Once, however many fits a run makes."""
    _log.warning(
        "%s learns from labels alone: it ignores votes, and takes emotions that a corpus cannot tell as absent", name
    )


def _name(examples: Examples, seed: int) -> str:
    """A name for a fit: the same for the same seed, emotions, corpora and clips."""
    corpora = [(corpus.name, corpus.emotions) for corpus in examples.data.corpora]
    clips = [str(clip.path) for clip in examples.clips]
    return f"{len(clips)}-clips-{identity(seed, examples.emotions, corpora, clips)}"


def _across_speakers(fit: Fit, examples: Examples, inner: Fold) -> float:
    held_out = examples.subset(inner.test)
    probe = fit(examples.subset(inner.train))
    x, y = held_out.windows()
    return fit_temperature(in_batches(partial(probe, training=False), x), y)


def _across_clips(fit: Fit, examples: Examples) -> float | None:
    if len({clip.speaker for clip in examples.clips}) > 1:
        _log.warning("each part of the speakers has an emotion alone: the probabilities hold for these speakers")
    logits, targets = [], []
    for fold in clip_folds(examples.clips):
        probe = fit(examples.subset(fold.train))
        x, y = examples.subset(fold.test).windows()
        logits.append(in_batches(partial(probe, training=False), x))
        targets.append(y)
    if not logits:
        _log.warning("no emotion has two clips: the probabilities are not calibrated")
        return None
    return fit_temperature(np.concatenate(logits), np.concatenate(targets))
