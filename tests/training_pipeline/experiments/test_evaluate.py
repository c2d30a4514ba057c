"""Cross-validations as `ser evaluate --retrain` writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from training_pipeline.errors import UnknownModelError
from training_pipeline.evaluation.predictions import read_predictions
from training_pipeline.experiments.evaluate import RANDOM, UNHEARD, Evaluation, evaluate
from training_pipeline.reports.kept import PREDICTIONS


@pytest.fixture
def asked(manifest: Path, tmp_path: Path) -> Evaluation:
    return Evaluation(
        data=manifest, output=tmp_path / "out", cache=tmp_path / "cache", cache_max_bytes=10**9, models=["mlp"]
    )


def test_runs_of_other_seeds_stay_and_one_of_the_same_seed_is_replaced(asked: Evaluation) -> None:
    for seed in (1, 0, 1):
        evaluate(replace(asked, seed=seed, random_split=False))
    assert [run.seed for run in read_predictions(asked.output / "mlp" / PREDICTIONS)] == [0, 1]


def test_figures_of_both_splits_are_returned_and_written(asked: Evaluation) -> None:
    done = evaluate(asked)
    written = json.loads((asked.output / "results.json").read_text())
    assert written["models"] == json.loads(done.to_json())
    assert set(done.results["mlp"]) == {UNHEARD, RANDOM}
    assert done.table().count("| `mlp` |") == 2
    assert {path.name for path in asked.output.iterdir()} == {"README.md", "confusion-mlp.png", "mlp", "results.json"}
    assert not (asked.cache / "training").exists() or not any((asked.cache / "training").iterdir())


def test_an_unknown_model_stops_before_anything_is_trained(asked: Evaluation) -> None:
    with pytest.raises(UnknownModelError, match="transformer"):
        evaluate(replace(asked, models=["mlp", "transformer"]))
    assert not asked.output.exists()
