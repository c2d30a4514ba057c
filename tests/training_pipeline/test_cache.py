"""Caches keep what was computed, and stay within a limit; nobody loses what he works in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ser.main import app
from training_pipeline.cache import (
    Cache,
    Pruned,
    bounded,
    caches_below,
    entries_of,
    in_use,
    kept_array,
    prune,
    work_caches,
)


@pytest.fixture(autouse=True)
def pretrained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of pretrained weights, so that nothing of whoever runs the tests is deleted."""
    monkeypatch.setenv("SER_PRETRAINED_DIR", str(tmp_path / "pretrained"))
    return tmp_path / "pretrained"


SPEC, CLIP = "0123456789abcdef", 4 * "0123456789abcdef"


def entry(path: Path, size_bytes: int, used_s: float) -> Path:
    """A file, or a folder with one, of that size, last used then."""
    if not path.suffix:
        path.mkdir(parents=True)
    file = path if path.suffix else path / "checkpoint.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(bytes(size_bytes))
    os.utime(path, (used_s, used_s))
    return path


@pytest.fixture
def filled(tmp_path: Path) -> list[Path]:
    """One entry of 100 bytes in each cache, each used later than the one before."""
    names = (
        f"features/{SPEC}/{CLIP}.npy",
        "training/ann-0123456789abcdef",
        "pretrained/statistics/encoder/b.npy",
        "pretrained/states/encoder/b.npy",
        f"pipeline/cache/{SPEC}/{CLIP}.npy",
        "pipeline/mlp-0123456789abcdef",
    )
    return [entry(tmp_path / name, 100, 1_000 + n) for n, name in enumerate(names)]


def test_an_array_is_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> np.ndarray:
        made.append(1)
        return np.arange(3)

    path = tmp_path / "deep" / "a.npy"
    for _ in range(2):
        np.testing.assert_array_equal(kept_array(path, make), [0, 1, 2])
    assert len(made) == 1
    kept_array(None, make)
    assert len(made) == 2
    assert [file.name for file in path.parent.iterdir()] == ["a.npy"]


def test_reading_an_array_makes_it_the_last_to_go(tmp_path: Path) -> None:
    old, new = entry(tmp_path / "s" / "old.npy", 1, 1_000), entry(tmp_path / "s" / "new.npy", 1, 2_000)
    np.save(old, np.arange(2))
    os.utime(old, (1_000, 1_000))
    kept_array(old, lambda: np.arange(2))
    assert [found.path for found in entries_of([Cache(tmp_path, "*/*.npy")])] == [new, old]


def test_the_least_recently_used_go_first_over_all_caches(filled: list[Path], tmp_path: Path) -> None:
    assert [found.path for found in entries_of(caches_below(tmp_path))] == filled
    assert prune(caches_below(tmp_path), 250) == Pruned(4, 400, 200)
    assert [path.exists() for path in filled] == [False, False, False, False, True, True]


def test_within_the_limit_nothing_goes_and_none_leaves_nothing(filled: list[Path], tmp_path: Path) -> None:
    assert prune(caches_below(tmp_path), 600) == Pruned(0, 0, 600)
    assert prune(caches_below(tmp_path), 0) == Pruned(6, 600, 0)
    assert not any(path.exists() for path in filled)


def test_recordings_and_downloads_are_no_cache(tmp_path: Path) -> None:
    own = ("our-calls/a.wav", "crema-d/b.wav", "mlp-0123456789abcde/c.wav", "cache/speech/d.npy", f"cache/{SPEC}/e.npy")
    others = ("pipeline/data/a.wav", "pretrained/encoder.whl", "pipeline/validation.md", "models/1/saved_model.pb")
    others += (*(f"pipeline/{name}" for name in own), "features/mine/a.npy", "training/mine/a.npz")
    kept = [entry(tmp_path / name, 100, 1_000) for name in others]
    assert prune(caches_below(tmp_path), 0) == Pruned(0, 0, 0)
    assert all(path.exists() for path in kept)


def test_a_retraining_bounds_what_it_kept_of_pretrained_encoders_too(pretrained: Path, tmp_path: Path) -> None:
    kept = [entry(pretrained / name / "encoder" / "a.npy", 100, 1_000) for name in ("statistics", "states")]
    wheel = entry(pretrained / "encoder.whl", 100, 1_000)
    assert prune(work_caches(tmp_path / "work"), 0) == Pruned(2, 200, 0)
    assert not any(path.exists() for path in kept)
    assert wheel.exists()


def test_what_another_process_works_in_stays(tmp_path: Path) -> None:
    held, free = (entry(tmp_path / f"{model}-0123456789abcdef", 100, 1_000) for model in ("ann", "mlp"))
    code = (
        "import sys; from pathlib import Path; from training_pipeline.cache import in_use\n"
        "with in_use(Path(sys.argv[1])):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(held)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        assert prune(work_caches(tmp_path), 0) == Pruned(1, 100, 100)
        assert (held / "checkpoint.npz").is_file()
        assert not free.exists()
        process.stdin.close()
        process.wait()
    assert prune(work_caches(tmp_path), 0).left_bytes == 0
    assert not held.exists()


def test_a_folder_that_is_pruned_and_used_again_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "mlp-0123456789abcdef"
    for _ in range(2):
        with in_use(folder), in_use(folder):
            assert folder.is_dir()
        assert prune(work_caches(tmp_path), -1) == Pruned(1, 0, 0)


def test_a_run_that_fails_keeps_the_limit_too(filled: list[Path], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), bounded(caches_below(tmp_path), 0):
        raise KeyboardInterrupt
    assert not any(path.exists() for path in filled)


@pytest.mark.usefixtures("filled")
def test_the_command_shows_and_prunes(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["cache", "show", "--folder", str(tmp_path)])
    assert shown.stdout.count("1 entries, 100 bytes") == 6
    done = CliRunner().invoke(app, ["cache", "prune", "--folder", str(tmp_path), "--cache-max-bytes", "250"])
    assert done.stdout == "4 entries deleted, 400 bytes; 200 bytes are left\n"
    everything = CliRunner().invoke(
        app, ["cache", "prune", "--folder", str(tmp_path), "--json"], env={"PIPELINE_CACHE_MAX_BYTES": "0"}
    )
    assert everything.stdout == '{"entries": 2, "freed_bytes": 200, "left_bytes": 0, "swept": 0}\n'


def test_what_a_killed_run_had_not_finished_goes_after_a_day(tmp_path: Path) -> None:
    names = (
        f"pipeline/cache/{SPEC}/.{CLIP}.npy.12ab.tmp",
        "pipeline/mlp-0123456789abcdef/.trained.12ab.tmp",
        "training/.x.1.tmp",
    )
    for name in names:
        entry(tmp_path / name, 100, 1_000)
    recent = tmp_path / "pipeline" / "mlp-0123456789abcdef" / ".candidate.34cd.tmp"
    recent.mkdir()
    done = CliRunner().invoke(app, ["cache", "prune", "--folder", str(tmp_path)])
    assert done.stdout.endswith("bytes are left; 3 unfinished files deleted\n")
    assert not any((tmp_path / name).exists() for name in names)
    assert recent.is_dir()
