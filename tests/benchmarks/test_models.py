from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from training_pipeline.evaluation.cost import read_costs

ROOT = Path(__file__).parents[2]
VERSION = ROOT / "models" / "speech_emotion" / "1"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.models", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)


def test_a_store_and_a_folder_beside_it_are_measured_in_one_run(tmp_path: Path) -> None:
    store, output = tmp_path / "store", tmp_path / "evaluation" / "cost.json"
    store.mkdir()
    (store / "1").symlink_to(VERSION)
    done = run(f"copy={VERSION}", "--store", str(store), "--output", str(output), "--turns", "2")
    assert done.returncode == 0, done.stderr
    costs = read_costs(output)
    assert set(costs.models) == {"ann", "copy"}
    assert (costs.calls, costs.clip_s) == (20, 3.5)
    for cost in costs.models.values():
        assert cost.size_bytes == sum(path.stat().st_size for path in VERSION.rglob("*") if path.is_file())
        assert cost.loaded_bytes < cost.size_bytes
        assert (cost.parameters, cost.windows) == (80_625, 1)
        assert 0 < cost.features.best_ms <= cost.features.median_ms
        assert 0 < cost.model.best_ms <= cost.model.median_ms
        assert cost.real_time_factor == pytest.approx(cost.total_ms / 3500, abs=1e-6)


def test_what_is_no_saved_model_is_refused(tmp_path: Path) -> None:
    done = run(f"mlp={tmp_path}")
    assert done.returncode == 2
    assert "is not NAME=FOLDER of a SavedModel" in done.stderr
