"""Every block of docs/examples.md, run against the real service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from speech_emotion.samples import samples
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

PAGE = Path(__file__).parent.parent.parent / "docs" / "examples.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE.read_text(), flags=re.S | re.M)
RUNNERS = {"bash": ["bash", "-eu"], "python": [sys.executable], "javascript": ["node", "--input-type=module"]}
EXPECTED = ("request_id", "emotion", "unsupported_format", "happy", "happy", "happy", "happy")


@pytest.mark.parametrize(
    "number", range(len(BLOCKS)), ids=[f"{n}-{language}" for n, (language, _) in enumerate(BLOCKS)]
)
def test_an_example_runs(number: int, service: Gateway, service_models: ModelServer, tmp_path: Path) -> None:
    language, code = BLOCKS[number]
    command = RUNNERS[language]
    if shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]}")
    (tmp_path / "sample.wav").write_bytes(samples()[0].read())  # the content counts, not the name
    code = code.replace("http://127.0.0.1:8080", service.url).replace("127.0.0.1:8500", service_models.address)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, input=code, capture_output=True, text=True, timeout=120, cwd=tmp_path, env={**os.environ, "PATH": path}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert EXPECTED[number] in done.stdout


def test_every_example_is_run() -> None:
    assert len(BLOCKS) == len(EXPECTED)
    assert {language for language, _ in BLOCKS} == set(RUNNERS)
