"""What all fits on the encoder share."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from training_pipeline.networks.pretrained.fit import fit_once
from training_pipeline.networks.pretrained.optimise import save


def constant(value: float) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.full((1, 1), value), np.zeros(1)])
    return model


def test_a_model_is_trained_once_and_then_read(tmp_path: Path) -> None:
    told = []

    def trained(checkpoint: Path | None) -> keras.Model:
        told.append(checkpoint)
        save(tmp_path / "checkpoint.npz", [], 1)
        return constant(3.0)

    models = [fit_once(tmp_path, 2, lambda: constant(0.0), trained) for _ in range(2)]
    assert [float(model.get_weights()[0][0, 0]) for model in models] == [3.0, 3.0]
    assert told == [tmp_path / "checkpoint.npz"]
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]


def test_without_a_folder_nothing_is_kept() -> None:
    assert fit_once(None, 2, lambda: constant(0.0), lambda checkpoint: constant(1.0 if checkpoint is None else 2.0))
