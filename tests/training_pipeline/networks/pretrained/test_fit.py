"""What all fits on the encoder share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tests.training_pipeline.networks.made_up import RECIPE, made_up
from training_pipeline.networks.pretrained.fit import Lesson, fit_once
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


def test_everything_that_changes_a_fits_numbers_changes_its_name(windows: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = windows
    lesson, weights = Lesson(x, y, 3, 0), made_up(1)
    names = [
        lesson.name(RECIPE, weights),
        lesson.name(replace(RECIPE, dropout=0.1), weights),
        lesson.name(RECIPE, {**weights, "conv1.bias": weights["conv1.bias"] + 1}),
        Lesson(x + 1, y, 3, 0).name(RECIPE, weights),
        Lesson(x, y[::-1], 3, 0).name(RECIPE, weights),
        Lesson(x, y, 4, 0).name(RECIPE, weights),
        Lesson(x, y, 3, 1).name(RECIPE, weights),
    ]
    assert len(set(names)) == len(names)
    assert lesson.name(RECIPE, made_up(1)) == names[0]
