"""The client's own distribution: it is installed without the project, and asks the service with httpx alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import PathDistribution, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.support.gateway import Gateway

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"

ASK = """
import json, sys
from importlib.util import find_spec
from speech_emotion.client import Client

url, clip = sys.argv[1:]
heard = [name for name in ("librosa", "numba", "numpy", "pydantic", "scipy", "soundfile") if find_spec(name)]
with Client(url) as client:
    said = {"emotion": client.predict(clip).emotion, "installed": heard, "refused": []}
    with client.recording(clip) as recording:
        said["windows"] = len(list(recording))
    with client.stream(sample_rate=16_000) as stream:
        for call in (lambda: stream.send([0.0]), lambda: client.predict([0.0], sample_rate=16_000)):
            try:
                call()
            except ImportError as error:
                said["refused"].append(str(error))
        said["end"] = [type(event).__name__ for event in stream.hear([bytes(32_000)])][-1]
print(json.dumps(said))
"""


def project(folder: Path) -> dict[str, Any]:
    return dict(tomllib.loads((folder / "pyproject.toml").read_text())["project"])


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, made from a copy of what a clone has: links are links."""
    folder = tmp_path_factory.mktemp("client")
    for name in ("client", "speech_emotion"):
        unwanted = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=unwanted)
    shutil.copy(ROOT / "LICENSE", folder)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "-w", str(folder), str(folder / "client")],
        capture_output=True,
        text=True,
        env={"PYTHONWARNINGS": "ignore"},
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter that has the wheel, the distributions that it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    (libraries,) = (folder / "lib").glob("python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(libraries)
    (metadata,) = libraries.glob("*.dist-info")
    wanted = requirements(PathDistribution(metadata))
    while wanted:
        found = distribution(wanted.pop())
        for top in {file.parts[0] for file in found.files or () if file.parts[0] != ".."}:
            if not (libraries / top).exists():
                (libraries / top).symlink_to(Path(str(found.locate_file(top))))
                wanted |= requirements(found)
    return folder / "bin" / "python"


def requirements(found: PathDistribution | Any) -> set[str]:
    """What it asks for on this platform, without extras."""
    needed = [Requirement(each) for each in found.requires or ()]
    return {each.name for each in needed if not each.marker or each.marker.evaluate({"extra": ""})}


def test_it_has_the_version_and_the_bounds_of_the_project() -> None:
    whole, client = project(ROOT), project(ROOT / "client")
    assert client["version"] == whole["version"], "`make version` sets it"
    assert client["requires-python"] == whole["requires-python"]
    assert set(client["dependencies"]) < set(whole["optional-dependencies"]["client"])
    assert set(client["optional-dependencies"]["samples"]) < set(whole["dependencies"])


def test_the_wheel_has_the_client_and_what_it_imports_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        licence = [name for name in archive.namelist() if name.endswith("/LICENSE")]
    of_project = {path.relative_to(ROOT).as_posix() for path in (ROOT / "speech_emotion" / "client").glob("*.py")}
    ground = {f"speech_emotion/{name}" for name in ("__init__.py", "errors.py", "input_files.py", "py.typed")}
    assert packed == of_project | ground
    assert licence


def test_it_asks_the_service_with_no_audio_library_and_says_what_samples_need(python: Path, service: Gateway) -> None:
    command = [str(python), "-I", "-W", "error", "-c", ASK, service.url, str(SAMPLES / "happy.flac")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    needed = "samples need numpy, which is not installed: pip install 'speech-emotion-client[samples]'"
    assert json.loads(done.stdout) == {
        "emotion": "happy",
        "installed": [],
        "refused": [needed, needed],
        "windows": 1,
        "end": "End",
    }
