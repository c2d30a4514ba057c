"""A version as a model server would run it, to measure it or to compare with it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from speech_emotion import contract
from training_pipeline.training.examples import Array
from training_pipeline.training.windows import in_batches, per_clip

LATENCY_CALLS = 30


class ServableModel:
    """A version as a model server would run it. Raises ContractError if it does not keep the contract."""

    def __init__(self, folder: Path) -> None:
        self._module = tf.saved_model.load(str(folder))
        self._predict = self._module.signatures[contract.SIGNATURE_PREDICT]
        texts = self._module.signatures[contract.SIGNATURE_DESCRIBE](rows=tf.constant([0]))
        names = (contract.OUTPUT_SPEC, contract.OUTPUT_LABELS, contract.OUTPUT_CARD)
        self.description = contract.Description.parse(*(texts[name].numpy()[0] for name in names))

    def windows(self, features: Array) -> npt.NDArray[np.float32]:
        """Probabilities `[batch, emotions]` of features `[batch, frames, bins]`."""
        answer = self._predict(**{contract.INPUT_FEATURES: tf.constant(features)})
        return np.asarray(answer[contract.OUTPUT_PROBABILITIES])

    def predict(self, features: Sequence[Array]) -> npt.NDArray[np.float64]:
        """Probabilities `[clips, emotions]`, averaged over each clip's windows."""
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
