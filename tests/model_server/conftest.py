"""Every test that starts a server with `binary` runs on `python -m model_server` and on TensorFlow Serving."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model_server.calls import write
from tests.model_server.recorded import recorded_server
from tests.support.model_server import ModelServer


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    folder.mkdir()
    write(folder, 1)
    return folder


@pytest.fixture(scope="session")
def demo(binary: Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """The models and the configuration of the recordings, by gRPC and REST."""
    with recorded_server(tmp_path_factory.mktemp("recorded"), binary=binary) as server:
        yield server
