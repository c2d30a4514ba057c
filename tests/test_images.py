"""The images: each package in them is needed, and nothing compiles. tests/cluster looks into the built ones."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
IMAGES = {
    "gateway": ("speech_emotion", "preprocess_gateway", "ser"),
    "pipeline": ("speech_emotion", "model_server", "training_pipeline", "ser"),
    "model_server": ("speech_emotion", "model_server"),
    "run": ("speech_emotion", "model_server", "preprocess_gateway", "ser"),  # the environment of `make run`
}
"""The parts of the project that run there."""
BY_NAME = {
    "gcsfs": "fsspec imports it for gs://",
    "s3fs": "fsspec imports it for s3://",
    "python-json-logger": "the configuration of the logs names its class",
    "tensorflow-serving-api": "speech_emotion/protos.py imports its modules by name",
    "tensorflow-cpu": "it has the modules of tensorflow",
    "pyseccomp": "it is found on Linux alone",
}
"""Packages that the code names without importing them."""
COMPILERS = {
    *("clang", "cmake", "cython", "libclang", "llvmlite", "meson", "mypy", "ninja", "numba", "nuitka", "pybind11"),
    *("triton", "ziglang"),
}


def locked(name: str) -> set[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    wanted = [Requirement(line.rstrip(" \\")) for line in re.findall(r"^[a-z0-9].*", text, re.M)]
    return {each.name for each in wanted if not each.marker or each.marker.evaluate()}


@cache
def installed(name: str) -> Distribution:
    """A locked package here; TensorFlow has two names."""
    try:
        return distribution(name)
    except PackageNotFoundError:
        return distribution({"tensorflow-cpu": "tensorflow", "tensorflow": "tensorflow-cpu"}[name])


def imported(parts: tuple[str, ...]) -> set[str]:
    """The packages whose modules these parts import, at the top or inside of a function."""
    owners = packages_distributions()
    names = set()
    for path in (path for part in parts for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
    return {canonicalize_name(owner) for name in names for owner in owners.get(name.split(".")[0], ())}


def with_what_they_need(packages: set[str], lock: set[str]) -> set[str]:
    """`packages` of a lock, and the packages of the lock that they require, extras included."""
    needed: set[str] = set()
    waiting = [(name, "") for name in packages]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        if name not in lock:
            continue
        needed.add(name)
        for each in map(Requirement, installed(name).requires or ()):
            if not each.marker or each.marker.evaluate({"extra": extra}):
                new = {(canonicalize_name(each.name), asked) for asked in ("", *each.extras)} - seen
                seen |= new
                waiting += new
    return needed


@pytest.mark.parametrize("image", IMAGES)
def test_each_package_is_imported_by_a_line_or_required_by_one_that_is(image: str) -> None:
    lock = locked(image)
    unneeded = lock - with_what_they_need(imported(IMAGES[image]) | set(BY_NAME), lock)
    assert unneeded == set()


@pytest.mark.parametrize("image", IMAGES)
def test_no_package_is_a_compiler(image: str) -> None:
    assert locked(image) & COMPILERS == set()


@pytest.mark.parametrize("name", ["gateway", "pipeline", "model_server"])
def test_nothing_that_debian_installs_reaches_an_image(name: str) -> None:
    """The program that strips symbols stays in a stage of its own, from which only the libraries are copied."""
    parent: dict[str, str] = {}
    lines: dict[str, list[str]] = {}
    stage = ""
    for line in (ROOT / f"Dockerfile.{name}").read_text().replace("\\\n", " ").splitlines():
        if found := re.match(r"FROM (\S+)(?: AS (\S+))?", line):
            stage = found[2] or "image"
            parent[stage], lines[stage] = found[1], []
        elif stage:
            lines[stage].append(line)
    inside = []
    while stage in lines:
        inside += lines[stage]
        stage = parent[stage]
    assert inside
    assert [line for line in inside if re.search(r"\b(apt-get|apk|yum|dnf|gcc|make)\b", line)] == []
    copied = [line for line in inside if line.startswith("COPY --from=")]
    assert {line.split()[2] for line in copied} <= {"/opt/venv", "/opt/app"}


def test_the_table_of_contents_shows_packages_with_their_sizes() -> None:
    """The program runs in an image, without the project's code around it."""
    code = (ROOT / "docker" / "contents.py").read_text()
    done = subprocess.run([sys.executable, "-I", "-"], input=code, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\| numpy \| [\d.]+ \| [\d.]+ \| this project \|$", done.stdout, re.M)
    assert re.search(r"^\| all packages \| \| \d+ \| \|$", done.stdout, re.M)


def test_what_is_taken_from_the_packages_is_not_needed_by_the_gateway() -> None:
    """The gateway's parts run with `scipy.fft` and `scipy.special` alone, as in the image."""
    code = """
import sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        top, _, rest = name.partition(".")
        part = rest.split(".")[0]
        if top == "scipy" and part and not part.startswith("_") and part not in ("fft", "special", "version"):
            raise ModuleNotFoundError(f"the image has no {name}", name=name)

sys.meta_path.insert(0, Absent)
import numpy as np
import preprocess_gateway.http.app, preprocess_gateway.process.gunicorn_conf, ser.predict
import speech_emotion.audio, speech_emotion.store.bucket, speech_emotion.store.sync
from speech_emotion.features import FeatureSpec, extract
from speech_emotion.features.shipped import SEED_SPEC, WHISPER_SPEC
for spec in (SEED_SPEC, WHISPER_SPEC):
    extract(np.zeros(spec.sample_rate, np.float32), spec)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
