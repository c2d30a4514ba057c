"""Names of cached work follow the code's contents; the card's revision is the image's or this repository's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from speech_emotion.features import SEED_SPEC
from training_pipeline import identity as identities
from training_pipeline.identity import UNKNOWN, identity, packages_of, revision, sources
from training_pipeline.training.job import TRAINED_BY

ROOT = Path(__file__).parents[2]
GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that was never imported, with a module and a data file."""
    folder = tmp_path / "fresh_package"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "inner" / "code.py").write_text("RATE = 1")
    (folder / "weights.txt").write_text("sha256:1")
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def fresh_sources(*modules: str) -> str:
    """As a new process would see them."""
    return sources.__wrapped__(*modules)


def test_parts_and_their_order_make_the_name() -> None:
    assert identity("a", 1) == identity("a", 1)
    assert len({identity(*parts) for parts in (("a", 1), ("a", 2), (1, "a"), ("a",), (["a"], 1))}) == 5


def test_two_edits_of_one_commit_have_different_sources(package: Path) -> None:
    seen = {fresh_sources("fresh_package")}
    for text in ("RATE = 2", "RATE = 3"):
        (package / "inner" / "code.py").write_text(text)
        seen.add(fresh_sources("fresh_package"))
    assert len(seen) == 3
    (package / "inner" / "code.py").write_text("RATE = 1")
    assert fresh_sources("fresh_package") in seen


@pytest.mark.parametrize("change", ["new", "renamed", "data", "gone"])
def test_a_file_that_is_new_renamed_changed_or_gone_changes_the_sources(package: Path, change: str) -> None:
    before = fresh_sources("fresh_package")
    match change:
        case "new":
            (package / "more.py").write_text("")
        case "renamed":
            (package / "inner" / "code.py").rename(package / "inner" / "other.py")
        case "data":
            (package / "weights.txt").write_text("sha256:2")
        case "gone":
            (package / "weights.txt").unlink()
    assert fresh_sources("fresh_package") != before


def test_compiled_files_and_places_do_not_count(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fresh_sources("fresh_package")
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "code.pyc").write_bytes(b"compiled")
    assert fresh_sources("fresh_package") == before
    moved = tmp_path / "elsewhere"
    shutil.copytree(package, moved / "fresh_package")
    shutil.rmtree(package)
    monkeypatch.syspath_prepend(moved)
    assert fresh_sources("fresh_package") == before


@pytest.mark.usefixtures("package")
def test_one_module_alone_has_sources_and_an_unknown_one_is_an_error() -> None:
    assert fresh_sources("fresh_package.inner.code") != fresh_sources("fresh_package")
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        fresh_sources("no_such_package")


def test_whatever_training_imports_of_ours_is_in_a_jobs_identity() -> None:
    code = (
        "import sys, training_pipeline.training.train, training_pipeline.training.features;"
        "import training_pipeline.networks.whisper.fit, training_pipeline.networks.edge.fit;"
        "print(*(n for n in sys.modules if n.split('.')[0] in ('speech_emotion', 'training_pipeline')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    no_numbers = {"cache", "errors", "files", "identity", "input_files", "invalid", "notices", "plugins", "progress"}
    loaded = [name for name in done.stdout.split() if "." in name and name.split(".")[1] not in no_numbers]
    assert [name for name in loaded if not name.startswith(TRAINED_BY)] == []


def test_the_revision_is_the_one_that_the_image_was_built_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities, "IMAGE_VERSION", tmp_path / "version")
    (tmp_path / "version").write_text("0.1.0 0123456789ab\n")
    assert revision() == "0123456789ab"
    written = next(line for line in (ROOT / "Dockerfile.pipeline").read_text().splitlines() if "/opt/version" in line)
    assert written == 'RUN echo "${VERSION} ${REVISION}" > /opt/version'


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The code installed somewhere below a repository of somebody else's."""
    subprocess.run([*GIT, "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(identities, "IMAGE_VERSION", tmp_path / "none")
    folder = tmp_path / "site-packages" / "training_pipeline"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.setattr(identities, "PACKAGE", folder)
    return folder


def commit(folder: Path) -> None:
    subprocess.run([*GIT, "-C", str(folder), "add", "-A"], check=True)
    subprocess.run([*GIT, "-C", str(folder), "commit", "-qm", "all"], check=True)


def test_a_surrounding_repository_says_nothing_of_this_code(installed: Path) -> None:
    assert revision() == UNKNOWN
    commit(installed.parents[1])  # even where it holds a copy
    assert revision() == UNKNOWN


def test_its_own_repository_does(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "training_pipeline"
    shutil.copytree(installed, own)
    monkeypatch.setattr(identities, "PACKAGE", own)
    assert revision() == UNKNOWN  # not committed there
    commit(tmp_path)
    clean = revision()
    assert len(clean) == 12
    (own / "__init__.py").write_text("RATE = 2")
    assert revision() == f"{clean}-dirty"


def test_what_another_distribution_brings_is_found_through_wrappers() -> None:
    assert packages_of(partial(partial(np.mean), axis=0), revision, SEED_SPEC) == ("numpy",)
    assert packages_of(Path("x"), pytest.fixture) == ("_pytest", "pathlib")
