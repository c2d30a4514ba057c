"""A trained network on disk, between two steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from training_pipeline.training.calibration import Calibration, Numbers
from training_pipeline.training.train import Method, Trained
from training_pipeline.training.unlikeness import Unlikeness

_TRAINED = "trained.json"


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
    kept = {"temperature": _to_json(trained.temperature), "method": trained.method, "parameters": parameters}
    (folder / _TRAINED).write_text(json.dumps(kept))


def load_trained(folder: Path) -> Trained:
    """What `save_trained` wrote."""
    kept = json.loads((folder / _TRAINED).read_text())
    return Trained(_Network(folder, kept["parameters"]), _from_json(kept["temperature"]), Method(kept["method"]))


def _to_json(calibration: float | Calibration) -> Any:
    if not isinstance(calibration, Calibration):
        return calibration
    numbers, unlikeness = calibration.numbers, calibration.unlikeness
    arrays = {
        "temperatures": numbers.temperatures,
        "projection": unlikeness.projection,
        "centres": unlikeness.centres,
    }
    powers = {"exponent": numbers.exponent, "sharpness": numbers.sharpness}
    return powers | {name: array.tolist() for name, array in arrays.items()}


def _from_json(kept: Any) -> float | Calibration:
    if not isinstance(kept, dict):
        return float(kept)
    projection, centres = (np.array(kept[name], np.float32) for name in ("projection", "centres"))
    numbers = Numbers(np.array(kept["temperatures"]), kept["exponent"], kept["sharpness"])
    return Calibration(numbers, Unlikeness(projection, centres))
