"""What an installed wheel has: images run it, and nothing else of the repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("speech_emotion", "model_server", "preprocess_gateway", "training_pipeline", "ser")

TRAIN = """
import numpy as np
from made_up import RECIPE, made_up
from training_pipeline.networks.pretrained import weights
from training_pipeline.networks.whisper import fit

x = np.random.default_rng(0).normal(0, 0.5, (12, 50, 80)).astype(np.float32)
model = fit.fit(x, np.arange(12) % 3, 3, 0, None, RECIPE, made_up())
print(np.asarray(model(x)).shape, weights.__file__)
try:
    weights.load_weights()
except weights.DataError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from a copy: a build folder that an earlier build left would bring files that a clone lacks."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("samples", *PACKAGES):  # links stay links, as in an image's build
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    pip("wheel", "--no-deps", "--no-build-isolation", "-w", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", arguments[0], "-q", "--disable-pip-version-check", *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONWARNINGS": "ignore"}, timeout=200)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a process that has the wheel, installed as the images do, and no repository around it.

    The interpreter is that of a fresh environment, which takes the libraries from this one: an editable installation
    is not among them.
    """
    target, environment = (tmp_path_factory.mktemp(name) for name in ("app", "environment"))
    pip("install", "--no-deps", "--no-index", "--target", target, wheel)
    venv.create(environment, symlinks=True)
    libraries = Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
    (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SER_", "PYTHON", "PIP_"))}
    # No index: what pip is to fetch, it shall not find.
    return {**kept, "PATH": str(environment / "bin"), "PYTHONPATH": str(target), "PIP_NO_INDEX": "1"}


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [name for name in tracked.stdout.splitlines() if not {name, f"{name}/index.json"} & packed] == []


def test_the_samples_and_their_licence_are_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {Path(name).name: archive.read(name) for name in archive.namelist() if "/sample_clips/" in name}
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    assert packed == {path.name: path.read_bytes() for path in (ROOT / "samples").iterdir()}
    assert "License-Expression: Apache-2.0 AND CC-BY-NC-SA-4.0" in metadata
    assert "License-File: samples/LICENSE" in metadata
    for name in ("Dockerfile.gateway", "Dockerfile.pipeline"):
        assert "COPY samples ./samples" in (ROOT / name).read_text()


def test_entry_points_are_there_as_the_images_install_it(installed: dict[str, str], tmp_path: Path) -> None:
    code = """
import json
from importlib.metadata import distribution
own = distribution("speech-emotion-serving")
groups = sorted({point.group for point in own.entry_points})
print(json.dumps([str(own.locate_file("")), groups]))
"""
    python = str(Path(installed["PATH"]) / "python")
    done = subprocess.run([python, "-c", code], cwd=tmp_path, env=installed, capture_output=True, text=True, check=True)
    where, groups = json.loads(done.stdout)
    assert where == installed["PYTHONPATH"]
    assert {"speech_emotion.networks", "speech_emotion.feature_blocks", "speech_emotion.observers"} <= set(groups)
    for name in ("Dockerfile.gateway", "Dockerfile.pipeline"):
        text = (ROOT / name).read_text()
        # By its interpreter: the scripts begin with its path.
        assert re.search(r"pip --python /opt/venv/bin/python install .* --target /opt/app dist/\*\.whl", text)
        assert "PYTHONPATH=/opt/app" in text


def test_whisper_is_trained_from_the_installed_wheel(installed: dict[str, str], tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "training_pipeline" / "networks" / "made_up.py", tmp_path)
    (tmp_path / "train.py").write_text(TRAIN)
    command = [str(Path(installed["PATH"]) / "python"), "train.py"]
    done = subprocess.run(command, cwd=tmp_path, env=installed, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    trained, refused = done.stdout.split("\n", 1)
    assert trained == f"(12, 3) {installed['PYTHONPATH']}/training_pipeline/networks/pretrained/weights.py"
    # The requirement was read, with its hash; only the index is missing.
    assert "the pretrained encoder cannot be downloaded" in refused
    assert "No matching distribution found for pipecat-ai==1.14.0" in refused
