from __future__ import annotations

from pathlib import Path

import pytest

from tests.model_server.calls import write


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "m"
    folder.mkdir()
    write(folder, 1)
    return folder
