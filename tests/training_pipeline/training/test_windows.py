from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.support import savedmodels
from training_pipeline.data.dataset import DataSet
from training_pipeline.networks.registry import find
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.training.examples import Examples
from training_pipeline.training.train import train
from training_pipeline.training.windows import BATCH, in_batches, per_clip


class Watched:
    """A model that remembers how many windows it was given at once."""

    def __init__(self, model: object) -> None:
        self.model = model
        self.sizes: list[int] = []

    def __call__(self, windows: np.ndarray, **options: object) -> np.ndarray:
        self.sizes.append(len(windows))
        return np.asarray(self.model(windows, **options))  # type: ignore[operator]


@pytest.mark.parametrize("count", [1, BATCH, BATCH + 1, 3 * BATCH])
def test_batches_are_bounded_and_give_the_same_in_the_same_order(count: int) -> None:
    windows = np.random.default_rng(0).normal(size=(count, 3, 2)).astype(np.float32)
    model = Watched(lambda batch: batch.sum(axis=1))
    np.testing.assert_array_equal(in_batches(model, windows), windows.sum(axis=1))
    assert max(model.sizes) <= BATCH
    assert sum(model.sizes) == count


def test_a_clip_is_the_mean_of_its_windows() -> None:
    features = [np.zeros((1, 1, 1), np.float32), np.zeros((3, 1, 1), np.float32)]
    rows = per_clip(np.array([[1.0, 0], [1, 0], [0, 1], [0, 1]]), features)
    np.testing.assert_allclose(rows, [[1, 0], [1 / 3, 2 / 3]])


def test_no_network_is_given_a_whole_data_set(examples: Examples) -> None:
    mlp = find("mlp")
    fitted: list[Watched] = []

    def fit(*arguments: object) -> Watched:
        fitted.append(Watched(mlp.fit(*arguments)))  # type: ignore[arg-type]
        return fitted[-1]

    many = Examples.of(DataSet([*examples.clips] * 4, examples.emotions), [*examples.features] * 4)
    trained = train(replace(mlp, fit=fit), many, seed=0)
    trained.predict(many.features)
    probe, final = fitted
    assert sum(probe.sizes) == len(many.features) / 5 > max(probe.sizes)
    assert sum(final.sizes) == len(many.features)
    assert max(probe.sizes + final.sizes) <= BATCH


def test_neither_is_a_servable_version(examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find("mlp").spec
    folder = savedmodels.write_linear(tmp_path / "1", spec.to_json(), examples.emotions, bins=spec.bins)
    model = ServableModel(folder)
    watched = Watched(model.windows)
    monkeypatch.setattr(model, "windows", watched)
    assert model.predict(examples.features).shape == (len(examples.clips), len(examples.emotions))
    assert max(watched.sizes) <= BATCH < len(examples.clips)
