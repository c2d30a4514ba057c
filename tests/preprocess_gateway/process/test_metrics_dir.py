"""The folder of figures: whose it is, and what is left of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from preprocess_gateway.process import metrics_dir
from preprocess_gateway.process.metrics_dir import MetricsDir

HOLDS = """
import sys
from pathlib import Path
from preprocess_gateway.process import metrics_dir
metrics_dir.SHARED_MEMORY = Path(sys.argv[1])
own = metrics_dir.MetricsDir.of(None)
print(own.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of shared memory."""
    monkeypatch.setattr(metrics_dir, "SHARED_MEMORY", tmp_path)
    return tmp_path


def test_a_new_folder_goes_with_its_gateway(shared: Path) -> None:
    own = MetricsDir.of(None)
    (own.path / "counter_1.db").touch()
    own.empty()
    assert not list(own.path.glob("*.db"))
    assert own.path.parent == shared
    own.leave()
    assert list(shared.iterdir()) == []


def test_without_shared_memory_it_is_the_systems_own_folder(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_dir, "SHARED_MEMORY", shared / "absent")
    monkeypatch.setattr("tempfile.tempdir", str(shared))
    assert MetricsDir.of(None).path.parent == shared


def test_a_killed_gateways_folder_is_deleted_and_a_running_ones_stays(shared: Path) -> None:
    command = [sys.executable, "-c", HOLDS, str(shared)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        held = Path(other.stdout.readline().strip())
        assert set(shared.iterdir()) == {held}
        own = MetricsDir.of(None)
        assert set(shared.iterdir()) == {held, own.path}
        other.kill()
        other.wait()
    third = MetricsDir.of(None)
    assert set(shared.iterdir()) == {own.path, third.path}


def test_a_folder_of_the_setting_stays_and_other_files_in_it(tmp_path: Path) -> None:
    folder = MetricsDir.of(tmp_path / "mine")
    folder.empty()
    (folder.path / "histogram_7.db").touch()
    (folder.path / "notes.txt").touch()
    folder.empty()
    folder.leave()
    assert [path.name for path in folder.path.iterdir()] == ["notes.txt"]


def test_a_database_of_somebody_else_is_refused_and_nothing_is_deleted(tmp_path: Path) -> None:
    for name in ("counter_1.db", "app.db"):
        (tmp_path / name).touch()
    with pytest.raises(FileExistsError, match=r"not ours \(app\.db\)"):
        MetricsDir.of(tmp_path).empty()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app.db", "counter_1.db"]
