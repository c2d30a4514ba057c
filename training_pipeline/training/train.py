"""Fit a network on clips, and calibrate it on speakers it has not heard."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from training_pipeline.data.folds import speaker_folds
from training_pipeline.data.manifest import Clip
from training_pipeline.networks.registry import Network
from training_pipeline.training.calibrate import fit_temperature, softmax
from training_pipeline.training.windows import in_batches, per_clip

if TYPE_CHECKING:
    import keras

Array = npt.NDArray[np.float32]
PROBE_SEED = 0
"""Of the fit that gives the temperature, which belongs to a recipe and its speakers and not to one run."""


@dataclass(frozen=True)
class Examples:
    """Clips of a data set with their features and label indices."""

    clips: list[Clip]
    features: list[Array]
    targets: npt.NDArray[np.intp]
    labels: tuple[str, ...]

    @classmethod
    def of(cls, clips: Sequence[Clip], features: Sequence[Array], labels: tuple[str, ...]) -> Examples:
        """Pair clips with their features."""
        return cls(list(clips), list(features), np.array([labels.index(clip.label) for clip in clips]), labels)

    def subset(self, indices: npt.NDArray[np.intp]) -> Examples:
        """The examples at `indices`."""
        return Examples(
            [self.clips[i] for i in indices], [self.features[i] for i in indices], self.targets[indices], self.labels
        )

    def windows(self) -> tuple[Array, npt.NDArray[np.intp]]:
        """Every window as an example of its clip's label: `[n, frames, bins]`, `[n]`."""
        counts = [len(feature) for feature in self.features]
        return np.concatenate(self.features), np.repeat(self.targets, counts)

    def save(self, folder: Path) -> None:
        """Write clips and features to `folder`, which `load` reads without the audio."""
        folder.mkdir(parents=True, exist_ok=True)
        rows = [{**asdict(clip), "path": str(clip.path)} for clip in self.clips]
        (folder / "examples.json").write_text(json.dumps({"labels": self.labels, "clips": rows}))
        counts = np.array([len(feature) for feature in self.features])
        np.savez(folder / "features.npz", features=np.concatenate(self.features), counts=counts)

    @classmethod
    def load(cls, folder: Path) -> Examples:
        """What `save` wrote."""
        kept = json.loads((folder / "examples.json").read_text())
        clips = [Clip(**{**row, "path": Path(row["path"])}) for row in kept["clips"]]
        with np.load(folder / "features.npz", allow_pickle=False) as arrays:
            features = np.split(arrays["features"], np.cumsum(arrays["counts"])[:-1])
        return cls.of(clips, features, tuple(kept["labels"]))


@dataclass(frozen=True)
class Trained:
    """A model from features to logits, and the temperature that calibrates it."""

    model: keras.Model
    temperature: float

    def predict(self, features: Sequence[Array]) -> npt.NDArray[np.float64]:
        """Calibrated probabilities `[clips, labels]`, averaged over each clip's windows as in serving."""
        logits = in_batches(partial(self.model, training=False), np.concatenate(features))
        return per_clip(softmax(logits / self.temperature), features)


def train(network: Network, examples: Examples, seed: int, checkpoints: Path | None = None) -> Trained:
    """Fit on all examples; the temperature comes from a fit that held out a fifth of their speakers.

    A network that is not to be calibrated has a temperature of 1. With the folder `checkpoints`, an interrupted call
    with the same examples and seed goes on where it was.
    """
    temperature = _temperature(network, examples, checkpoints) if network.calibrated else 1.0
    own = checkpoints and checkpoints / "final"
    return Trained(network.fit(*examples.windows(), len(examples.labels), seed, own), temperature)


def _temperature(network: Network, examples: Examples, checkpoints: Path | None) -> float:
    inner = speaker_folds(examples.clips, min(5, len({clip.speaker for clip in examples.clips})))[0]
    held_out = examples.subset(inner.test)
    folder = checkpoints and checkpoints / "probe"
    probe = network.fit(*examples.subset(inner.train).windows(), len(examples.labels), PROBE_SEED, folder)
    x, y = held_out.windows()
    return fit_temperature(in_batches(partial(probe, training=False), x), y)
