"""Clips for `ser predict`, and the command as a shell gives it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from ser.main import app
from tests.support import sent
from tests.support.clips import multiplexed
from tests.support.gateway import Gateway
from training_pipeline.data.synthetic import write_synthetic


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips, and a text that calls itself one."""
    clips = tmp_path_factory.mktemp("clips")
    write_synthetic(clips / "deeper", speakers=2, takes=1)
    (clips / "broken.wav").write_text("no audio")
    return clips


@pytest.fixture(scope="package")
def call(folder: Path) -> Path:
    """A clip of two channels, of which the second is silent."""
    samples, rate = soundfile.read(folder / "deeper" / "00-calm-0.wav")
    path = folder.parent / f"{folder.name}-call.wav"
    soundfile.write(path, np.stack([samples, 0 * samples], axis=1), rate)
    return path


@pytest.fixture(scope="package")
def film(folder: Path) -> Path:
    """A film of two tracks: a tone of two seconds, and the speech of a clip of one."""
    samples, rate = soundfile.read(folder / "deeper" / "00-happy-0.wav")
    path = folder.parent / f"{folder.name}-film.mkv"
    path.write_bytes(multiplexed("matroska", [("flac", sent.tone(2.0, rate)), ("flac", samples[None])], rate))
    return path


def predict(service: Gateway, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", "--url", service.url, *map(str, arguments)])
