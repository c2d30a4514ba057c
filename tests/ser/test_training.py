"""`ser train` and `ser evaluate` as processes that are killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from speech_emotion.features import SEED_SPEC
from tests.support.notices import assert_no_notices
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.savedmodel.servable import ServableModel

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "ser.main"]
pytestmark = pytest.mark.timeout(600)  # several processes, each of which imports TensorFlow


def ser(cwd: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert_no_notices(done.stdout, done.stderr)
    return done


def kill_at(cwd: Path, pattern: str, *arguments: object) -> None:
    """Run the command, which is killed once a file of that pattern is there."""
    command = [sys.executable, "-m", "tests.support.killed", f"*{pattern}", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert list(cwd.glob(pattern))


@pytest.mark.slow
def test_a_training_that_was_killed_goes_on_to_the_same_model(tmp_path: Path) -> None:
    data = write_synthetic(tmp_path / "data", speakers=5, takes=2)
    command = ("train", "--data", data, "--model", "ann", "--export")
    kill_at(tmp_path, ".cache/training/ann-*/30-clips-*/last.npz", *command, "killed")
    assert not (tmp_path / "killed").exists()
    assert "resuming from the checkpoints" in ser(tmp_path, *command, "resumed").stderr
    assert list((tmp_path / ".cache" / "training").iterdir()) == []
    assert "going on" not in ser(tmp_path, *command, "whole").stderr
    x = np.random.default_rng(0).normal(0, 10, (4, SEED_SPEC.frames, SEED_SPEC.bins)).astype(np.float32)
    resumed, whole = (ServableModel(tmp_path / name).windows(x) for name in ("resumed", "whole"))
    np.testing.assert_array_equal(resumed, whole)


@pytest.mark.slow
def test_an_evaluation_keeps_named_checkpoints_and_goes_on_from_them(tmp_path: Path) -> None:
    data = write_synthetic(tmp_path / "data", speakers=5, takes=1)
    command = ("evaluate", "--retrain", "--data", data, "--model", "ann", "--no-random-split", "--checkpoints", "kept")
    kill_at(tmp_path, "kept/ann-*/12-clips-*/last.npz", *command, "-o", "out")
    (first,) = tmp_path.glob("kept/*/9-clips-*/last.npz")
    inode = first.stat().st_ino
    assert "resuming from the checkpoints" in ser(tmp_path, *command, "-o", "out").stderr
    assert first.stat().st_ino == inode
    assert len(list(tmp_path.glob("kept/*/12-clips-*/last.npz"))) == 5
    assert not (tmp_path / ".cache" / "training").exists()
