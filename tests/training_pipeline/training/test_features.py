from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from speech_emotion.features import SEED_SPEC
from tests.support.waiting import ended, until
from training_pipeline.data.clips import Clip
from training_pipeline.errors import DataError
from training_pipeline.training.features import extract_all


def test_features_come_from_the_cache_the_second_time(clips: list[Clip], tmp_path: Path) -> None:
    first = extract_all(clips[:2], SEED_SPEC, tmp_path)
    cached = list(tmp_path.rglob("*.npy"))
    assert len(cached) == 2
    np.save(cached[0], np.zeros_like(first[0]))
    second = extract_all(clips[:2], SEED_SPEC, tmp_path)
    assert sum(not feature.any() for feature in second) == 1


def test_an_unreadable_clip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=re.escape(str(path))):
        extract_all([Clip(path, "a", "1")], SEED_SPEC)


def test_features_are_made_with_one_thread_of_blas(clips: list[Clip], monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[int] = []

    def extract(*_: object) -> np.ndarray:
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        return np.zeros((1, 2, 3), np.float32)

    monkeypatch.setattr("training_pipeline.training.features.extract", extract)
    with threadpool_limits(2, user_api="blas"):
        extract_all(clips[:2], SEED_SPEC)
    assert set(threads) == {1}


def test_edited_code_hears_the_clips_anew(clips: list[Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    extract_all(clips[:1], SEED_SPEC, tmp_path)
    monkeypatch.setattr("training_pipeline.training.features.sources", lambda *_: "edited")
    extract_all(clips[:1], SEED_SPEC, tmp_path)
    assert len(list(tmp_path.rglob("*.npy"))) == 2


POOL = """
import sys
from pathlib import Path
from speech_emotion.features import SEED_SPEC
from training_pipeline.data.clips import Clip
from training_pipeline.training.features import extract_all

if __name__ == "__main__":
    clips = [Clip(Path(name), "a", "1") for name in sys.argv[1:]]
    extract_all(clips * 3000, SEED_SPEC, progress=Path("begun").touch, workers=2)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_the_process_that_started_them(
    clips: list[Clip], tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "pool.py").write_text(POOL)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    command = [sys.executable, "pool.py", str(clips[0].path)]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment)
    try:
        until((tmp_path / "begun").exists)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        process.send_signal(number)
        assert process.wait(60) == -number
        until(lambda: all(ended(int(pid)) for pid in children))
    finally:
        process.kill()
        process.wait()
