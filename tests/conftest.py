"""Fixtures that every part's tests share, and a guard against what tests leave behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from ser.serve import ConfigMirror
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer, real_server
from tests.support.nginx import KEPT, STRIPPED, nginx

ROOT = Path(__file__).parent.parent


def pytest_sessionstart() -> None:
    """Stop where the environment does not know the plug-ins that pyproject.toml registers: nothing would be found."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed: dict[str, dict[str, str]] = {group: {} for group in declared["entry-points"]}
    for point in distribution(declared["name"]).entry_points:
        installed.setdefault(point.group, {})[point.name] = point.value
    if any(installed[group] != points for group, points in declared["entry-points"].items()):
        pytest.exit(
            "pyproject.toml registers other plug-ins than this environment knows. Remove *.egg-info here, if there "
            "is one, and install the project anew:\n"
            f"PYTHONWARNINGS=ignore {sys.executable} -m pip install -q --no-deps --no-build-isolation -e {ROOT}",
            returncode=4,
        )


def pytest_report_header() -> str:
    """Which model servers this run has."""
    return f"model servers: model_server, and {real_server() or 'no TensorFlow Serving (TENSORFLOW_MODEL_SERVER)'}"


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes get their length as a name: some hold the time, and all processes must collect the same tests."""
    return f"{argname}-{len(val)}-bytes" if isinstance(val, bytes) and len(val) > 32 else None


def recordings_dir() -> Path | None:
    """RAVDESS_DIR, or the recordings shared beside the project; none where neither is there."""
    named = os.environ.get("RAVDESS_DIR")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "ravdess"
    return folder if folder.is_dir() else None


@pytest.fixture
def hang_ups() -> Iterator[None]:
    """SIGHUP as in a terminal for what the test starts, also where the suite itself runs under `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session")
def ravdess_dir() -> Path:
    folder = recordings_dir()
    if folder is None:
        pytest.skip("no recordings: set RAVDESS_DIR to a folder of RAVDESS speech")
    return folder


@pytest.fixture(scope="session")
def originals_dir(ravdess_dir: Path) -> Path:
    folder = ravdess_dir.parent / "ravdess_wav48"
    if not folder.is_dir():
        pytest.skip("no 48 kHz originals beside the recordings")
    return folder


@pytest.fixture(scope="session", params=["model_server", "tensorflow_serving"])
def binary(request: pytest.FixtureRequest) -> Path | None:
    """The model server under test, for `ModelServer(binary=...)`: the project's own (None), then TensorFlow Serving."""
    if request.param == "model_server":
        return None
    if (found := real_server()) is None:
        pytest.skip("no TensorFlow Serving: set TENSORFLOW_MODEL_SERVER to its binary")
    return found


@pytest.fixture(scope="session")
def service_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """The shipped model behind a real model server."""
    config = ConfigMirror(ROOT / "models", tmp_path_factory.mktemp("config") / "models.config").target
    with ModelServer("--allow_version_labels_for_unavailable_models=true", config_file=config) as server:
        yield server


@pytest.fixture(scope="session")
def service(service_models: ModelServer) -> Iterator[Gateway]:
    """A real gateway in front of it."""
    with Gateway(service_models.address, model_names="speech_emotion,edge") as gateway:
        yield gateway


@pytest.fixture(scope="session")
def published(service_models: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The URL of a service below a path, by what the proxy before it does with the path: `kept` or `stripped`."""
    settings = {"model_names": "speech_emotion,edge", "base_path": KEPT, "trusted_proxies": "127.0.0.1"}
    with (
        Gateway(service_models.address, **settings) as gateway,
        nginx(tmp_path_factory.mktemp("nginx"), gateway.url) as url,
    ):
        yield {"kept": f"{url}{KEPT}", "stripped": f"{url}{STRIPPED}"}


@pytest.fixture(params=["kept", "stripped"])
def below_a_path(published: dict[str, str], request: pytest.FixtureRequest) -> str:
    """The URL of a service below a path, for each kind of proxy."""
    return published[request.param]


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail the test that leaves a thread of its own running."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 60
    while left := [t for t in threading.enumerate() if t not in before and not t.daemon]:
        if time.monotonic() > deadline:
            pytest.fail(f"threads left behind: {left}")
        time.sleep(0.05)
