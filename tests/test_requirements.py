"""requirements/: what each lock holds, and what `make` installs of it."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ROOT / "requirements"
WHOLE = (REQUIREMENTS / "dev.txt").read_text()


def packages(name: str) -> list[str]:
    """Each package of a lock with its hashes."""
    return re.findall(r"^[a-z][^\n]*(?:\n +--hash[^\n]*)+", (REQUIREMENTS / f"{name}.txt").read_text(), re.M)


@pytest.mark.parametrize("name", ["run", "gateway", "pipeline", "model_server", "protos", "build"])
def test_a_part_of_the_lock_says_what_the_whole_lock_says(name: str) -> None:
    """The images install what the tests ran with: same versions, same hashes."""
    assert packages(name)
    for package in packages(name):
        version = package.split(" ")[0]
        assert re.search(rf"^{re.escape(version)}[ ;\\]", WHOLE, re.MULTILINE), version
        assert all(digest in WHOLE for digest in re.findall(r"sha256:\w+", package)), version


@pytest.mark.parametrize("name", ["dev", "run", "pipeline", "model_server"])
def test_where_there_is_a_tensorflow_without_cuda_it_is_the_one(name: str) -> None:
    (version,) = set(re.findall(r"^tensorflow(?:-cpu)?==(\S+)", (REQUIREMENTS / f"{name}.txt").read_text(), re.M))
    lines = [package.split("\\")[0].strip() for package in packages(name)]
    assert f"tensorflow-cpu=={version} ; platform_machine == 'x86_64'" in lines
    assert f"tensorflow=={version} ; platform_machine != 'x86_64'" in lines


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(REQUIREMENTS, tmp_path / "requirements")
    return tmp_path


def planned(clone: Path, target: str) -> set[str]:
    """The locks that `make` would install from."""
    done = subprocess.run(["make", "-n", target], cwd=clone, capture_output=True, text=True, check=True)
    return set(re.findall(r"-r requirements/(\w+)\.txt", done.stdout))


def test_make_run_installs_what_serves_and_make_test_the_rest_once(clone: Path) -> None:
    assert planned(clone, "run") == {"uv", "run", "build"}
    assert planned(clone, "unit") == {"uv", "dev", "build"}
    (clone / ".venv").mkdir()
    (clone / ".venv" / ".serves").touch()
    assert planned(clone, "run") == set()
    assert planned(clone, "unit") == {"uv", "dev", "build"}
    (clone / ".venv" / ".installed").touch()
    assert planned(clone, "run") == set(), "the whole environment serves too"
    (clone / ".venv" / ".serves").unlink()
    assert planned(clone, "run") == planned(clone, "unit") == set()
