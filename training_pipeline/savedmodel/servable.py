"""SavedModels on disk: a trained network between two steps, and a version to compare with."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from speech_emotion import contract
from training_pipeline.training.train import Array, Trained
from training_pipeline.training.windows import in_batches, per_clip

_TRAINED = "trained.json"
LATENCY_CALLS = 30


class _Network:
    """A trained network that was loaded from disk: features to logits, as Keras models are called."""

    def __init__(self, folder: Path, parameters: int) -> None:
        self._module = tf.saved_model.load(str(folder))
        self._parameters = parameters

    def __call__(self, features: Any, training: bool = False) -> Any:  # noqa: ARG002 - as Keras models are called
        return self._module.logits(tf.cast(features, tf.float32))

    def count_params(self) -> int:
        return self._parameters


def save_trained(trained: Trained, frames: int, bins: int, folder: Path) -> None:
    """Write a trained network; any layer of any network can be kept so, without its class."""
    module = tf.Module()
    module.model = trained.model
    shape = tf.TensorSpec([None, frames, bins], tf.float32)
    module.logits = tf.function(lambda features: trained.model(features, training=False), [shape])
    tf.saved_model.save(module, str(folder))
    parameters = int(trained.model.count_params())
    (folder / _TRAINED).write_text(json.dumps({"temperature": trained.temperature, "parameters": parameters}))


def load_trained(folder: Path) -> Trained:
    """What `save_trained` wrote."""
    kept = json.loads((folder / _TRAINED).read_text())
    return Trained(_Network(folder, kept["parameters"]), kept["temperature"])


class ServableModel:
    """A version as a model server would run it. Raises ContractError if it does not keep the contract."""

    def __init__(self, folder: Path) -> None:
        self._module = tf.saved_model.load(str(folder))
        self._predict = self._module.signatures[contract.SIGNATURE_PREDICT]
        texts = self._module.signatures[contract.SIGNATURE_DESCRIBE](rows=tf.constant([0]))
        names = (contract.OUTPUT_SPEC, contract.OUTPUT_LABELS, contract.OUTPUT_CARD)
        self.description = contract.Description.parse(*(texts[name].numpy()[0] for name in names))

    def windows(self, features: Array) -> npt.NDArray[np.float32]:
        """Probabilities `[batch, labels]` of features `[batch, frames, bins]`."""
        answer = self._predict(**{contract.INPUT_FEATURES: tf.constant(features)})
        return np.asarray(answer[contract.OUTPUT_PROBABILITIES])

    def predict(self, features: Sequence[Array]) -> npt.NDArray[np.float64]:
        """Probabilities `[clips, labels]`, averaged over each clip's windows."""
        return per_clip(in_batches(self.windows, np.concatenate(features)), features)

    def latency_s(self) -> float:
        """Median seconds of one window, after the first calls."""
        spec = self.description.spec
        window = np.zeros((1, spec.frames, spec.bins), np.float32)
        seconds = []
        for _ in range(LATENCY_CALLS):
            begun = time.perf_counter()
            self.windows(window)
            seconds.append(time.perf_counter() - begun)
        return statistics.median(seconds[3:])
