"""`ser sounds` on recordings made here, with the model that ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from ser.main import app
from training_pipeline.data.not_speech import coloured_noise
from training_pipeline.robustness.recordings import take_clips

RATE = 22_050


@pytest.fixture
def noises(tmp_path: Path) -> Path:
    folder = tmp_path / "noises"
    (folder / "deeper").mkdir(parents=True)
    for number, seconds in enumerate((0.5, 1.5, 9.0)):
        noise = coloured_noise(int(seconds * RATE), RATE, np.random.default_rng(number)) * (number + 1) / 10
        soundfile.write(folder / "deeper" / f"{number}.ogg", noise, RATE)
    (folder / "README").write_text("not a recording")
    return folder


def test_a_row_for_each_folder(noises: Path) -> None:
    done = CliRunner().invoke(app, ["sounds", str(noises), "--json"])
    assert done.exit_code == 0, done.output
    measured = json.loads(done.stdout)[str(noises)]
    assert measured["files"] == 2
    assert measured["no_speech"] + measured["uncertain"] + measured["confident"] == pytest.approx(1)
    table = CliRunner().invoke(app, ["sounds", str(noises)]).stdout
    assert f"| {noises} | 2 |" in table


def test_a_store_without_a_stable_version_is_one_line(noises: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(noises)
    done = CliRunner().invoke(app, ["sounds", str(noises)])
    assert (done.exit_code != 0, done.output.count("\n")) == (True, 1)
    assert "models" in done.output


def test_clips_are_the_middle_of_files_long_enough(noises: Path) -> None:
    shorter, longer = sorted(take_clips(noises, 16_000, 10), key=len)
    assert (len(shorter), len(longer)) == (24_000, 56_000)
    assert np.abs(longer).max() > np.abs(shorter).max()
    assert len(take_clips(noises, 16_000, 1)) == 1


def test_what_is_left_out_is_counted_with_its_reason(noises: Path, caplog: pytest.LogCaptureFixture) -> None:
    soundfile.write(noises / "long.flac", np.zeros(601 * 8000), 8000)
    take_clips(noises, 16_000, 10)
    assert f"{noises}: 3 files are left out: " in caplog.text
    for reason in ("1 under 1 s", "1 no recordings that can be read", "1 longer than 10 minutes, or too large"):
        assert reason in caplog.text


def test_a_folder_without_recordings_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["sounds", str(tmp_path)])
    assert done.exit_code != 0
    assert "no recording of a second or more" in done.output
    assert done.output.count("\n") == 1
