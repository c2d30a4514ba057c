"""Fit a network on clips, and calibrate it on speakers it has not heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training_pipeline.data.folds import speaker_folds
from training_pipeline.networks.registry import Network
from training_pipeline.training.calibrate import fit_temperature, softmax
from training_pipeline.training.examples import Array, Examples
from training_pipeline.training.windows import in_batches, per_clip

if TYPE_CHECKING:
    import keras

PROBE_SEED = 0
"""Of the fit that gives the temperature, which belongs to a recipe and its speakers and not to one run."""


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
    """Fit on all examples; the temperature comes from a fit that held out a fifth of their speakers.

    A network that is not to be calibrated has a temperature of 1. With the folder `checkpoints`, an interrupted call
    with the same examples and seed goes on where it was.
    """
    temperature = _temperature(network, examples, checkpoints) if network.calibrated else 1.0
    own = checkpoints and checkpoints / "final"
    return Trained(network.fit(*examples.windows(), len(examples.emotions), seed, own), temperature)


def _temperature(network: Network, examples: Examples, checkpoints: Path | None) -> float:
    inner = speaker_folds(examples.clips)[0]
    held_out = examples.subset(inner.test)
    folder = checkpoints and checkpoints / "probe"
    probe = network.fit(*examples.subset(inner.train).windows(), len(examples.emotions), PROBE_SEED, folder)
    x, y = held_out.windows()
    return fit_temperature(in_batches(partial(probe, training=False), x), y)
