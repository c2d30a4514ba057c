"""Fit a network on clips, and calibrate it on speakers it has not heard."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from training_pipeline.data.folds import speaker_folds
from training_pipeline.errors import DataError
from training_pipeline.networks.registry import Network
from training_pipeline.training.calibrate import fit_temperature, softmax
from training_pipeline.training.examples import Array, Examples
from training_pipeline.training.shares import has_shares, shares
from training_pipeline.training.windows import in_batches, per_clip

if TYPE_CHECKING:
    import keras

PROBE_SEED = 0
"""Of the fit that gives the temperature, which belongs to a recipe and its speakers and not to one run."""
NO_LOGIT = -1e9
"""Of an emotion that a model does not tell apart."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A model from features to logits, and the temperature that calibrates it."""

    model: keras.Model
    temperature: float

    def predict(self, features: Sequence[Array]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities `[clips, emotions]`, averaged over each clip's windows as in serving."""
        logits = in_batches(partial(self.model, training=False), np.concatenate(features))
        return per_clip(softmax(logits / self.temperature), features)


def train(network: Network, examples: Examples, seed: int, checkpoints: Path | None = None) -> Trained:
    """Fit on all examples; the temperature comes from fits that held out some of them.

    Of one corpus a fifth of the speakers is held out. Of several corpora each is held out in turn, so that a
    probability means on a stranger's recordings what it means on these. A network that is not to be calibrated has a
    temperature of 1. With the folder `checkpoints`, an interrupted call with the same examples and seed resumes.
    """
    temperature = 1.0
    if network.calibrated:
        several = len({clip.corpus for clip in examples.clips}) > 1
        temperature = (_across_corpora if several else _across_speakers)(network, examples, checkpoints)
    return Trained(_fit(network, examples, seed, checkpoints and checkpoints / "final"), temperature)


def _fit(network: Network, examples: Examples, seed: int, checkpoints: Path | None) -> keras.Model:
    x, y = examples.windows()
    rows: npt.NDArray[Any] = y
    if has_shares(examples.data):
        if network.takes_shares:
            rows = examples.per_window(shares(examples.data))
        else:
            _log.warning(
                "%s learns from labels alone: it takes no votes, and an emotion that a corpus cannot tell for absent",
                network.name,
            )
    return network.fit(x, rows, len(examples.emotions), seed, checkpoints)


def _across_speakers(network: Network, examples: Examples, checkpoints: Path | None) -> float:
    inner = speaker_folds(examples.clips)[0]
    held_out = examples.subset(inner.test)
    probe = _fit(network, examples.subset(inner.train), PROBE_SEED, checkpoints and checkpoints / "probe")
    x, y = held_out.windows()
    return fit_temperature(in_batches(partial(probe, training=False), x), y)


def _across_corpora(network: Network, examples: Examples, checkpoints: Path | None) -> float:
    """Corpora count alike; clips of an emotion that the others cannot tell are left out."""
    logits, targets, weights = [], [], []
    names = sorted({clip.corpus for clip in examples.clips})
    for number, name in enumerate(names):
        others = examples.of_corpora(other for other in names if other != name)
        folder = checkpoints and checkpoints / f"probe-{number}"
        probe = _fit(network, others, PROBE_SEED, folder)
        shared = [i for i, c in enumerate(examples.clips) if c.corpus == name and c.emotion in others.emotions]
        if not shared:
            continue
        x, y = examples.subset(np.array(shared)).windows()
        told = [examples.emotions.index(emotion) for emotion in others.emotions]
        own = np.full((len(x), len(examples.emotions)), NO_LOGIT, np.float32)
        own[:, told] = in_batches(partial(probe, training=False), x)
        logits.append(own)
        targets.append(y)
        weights.append(np.full(len(y), 1 / len(y)))
    if not logits:
        raise DataError(f"the corpora {', '.join(names)} share no emotion: a model of them cannot be calibrated")
    return fit_temperature(np.concatenate(logits), np.concatenate(targets), np.concatenate(weights))
