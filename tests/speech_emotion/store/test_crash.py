"""A publisher that is killed at any of its steps, or runs out of disk, leaves a whole store behind."""

from __future__ import annotations

import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from speech_emotion.store.folder import FolderStore
from speech_emotion.store.labels import promote
from speech_emotion.store.prune import prune
from speech_emotion.store.publish import publish
from tests.support.stores import write_version

NAME = "speech_emotion"
ROOT = Path(__file__).parents[3]


def run(root: Path, source: Path, fatal: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.speech_emotion.store.crash", str(root), str(source), str(fatal)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_killed_at_every_step_the_store_stays_whole(tmp_path: Path) -> None:
    before = tmp_path / "before"
    publish(FolderStore(before), NAME, write_version(tmp_path / "old", "old"))
    promote(FolderStore(before), NAME, 1)
    source = write_version(tmp_path / "new", "new")
    for fatal in range(1, 200):
        root = tmp_path / f"store-{fatal}"
        shutil.copytree(before, root)
        done = run(root, source, fatal)
        store = FolderStore(root)
        for number in store.versions(NAME):
            manifest = store.manifest(NAME, number)
            assert manifest is not None, f"step {fatal}: half of version {number} is seen"
            manifest.check(root / NAME / str(number))
        assert store.read_config().labels(NAME)["stable"] in store.versions(NAME), f"step {fatal}"
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        # Run again by hand: the same version comes in once, and the leftovers go.
        again = publish(store, NAME, source)
        promote(store, NAME, again)
        prune(store, NAME, grace_s=-1)
        assert {path.name for path in (root / NAME).iterdir()} == {".claims", "1", str(again)}, f"step {fatal}"
    assert fatal > 15
    assert done.returncode == 0, "there are more steps than were tried"


@pytest.mark.parametrize("limit_bytes", [0, 4000])
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, limit_bytes: int) -> None:
    source = write_version(tmp_path / "new", "x" * 3000)  # its index is three times as large
    code = f"""
import resource, signal, sys
from pathlib import Path
from speech_emotion.errors import StoreError
from speech_emotion.store.folder import FolderStore
from speech_emotion.store.publish import publish
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = FolderStore(Path({str(tmp_path / "store")!r}))
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {resource.RLIM_INFINITY}))
try:
    publish(store, "{NAME}", Path({str(source)!r}))
except StoreError as error:
    sys.exit(str(error))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "File too large" in done.stderr
    store = FolderStore(tmp_path / "store")
    assert store.versions(NAME) == []
    assert [path.name for path in (store.root / NAME).iterdir()] == [".claims"]
