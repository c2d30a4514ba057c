"""`ser sample`: recordings of people, and the buzz."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import Result
from typer.testing import CliRunner

from ser.main import app
from speech_emotion.samples import find_sample, samples


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["sample", *map(str, arguments)])


def test_the_list_names_every_recording_and_the_licence() -> None:
    listed = run("--list").stdout
    for sample in samples():
        assert sample.name in listed
        assert sample.sentence in listed
    assert "CC BY-NC-SA 4.0: Livingstone SR, Russo FA (2018)" in listed


def test_without_a_name_the_first_recording_becomes_a_wav_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run()
    assert done.exit_code == 0, done.output
    assert done.stderr == f"sample.wav: happy, {samples()[0].source} of RAVDESS, actor 02, female; CC BY-NC-SA 4.0\n"
    written, rate = soundfile.read("sample.wav", dtype="int16")
    original, original_rate = soundfile.read(io.BytesIO(samples()[0].read()), dtype="int16")
    assert (rate, original_rate) == (16_000, 16_000)
    np.testing.assert_array_equal(written, original)


def test_a_name_that_ends_in_flac_gets_the_very_file(tmp_path: Path) -> None:
    assert run("angry", "-o", tmp_path / "angry.flac").exit_code == 0
    assert (tmp_path / "angry.flac").read_bytes() == find_sample("angry").read()


def test_standard_output_gets_the_clip_alone() -> None:
    done = run("sad", "-o", "-")
    assert done.stdout_bytes.startswith(b"RIFF")
    assert soundfile.info(io.BytesIO(done.stdout_bytes)).format == "WAV"
    assert done.stderr.startswith("standard output: sad")


def test_the_buzz_is_still_there(tmp_path: Path) -> None:
    assert run("--synthetic", "-o", tmp_path / "buzz.wav").exit_code == 0
    info = soundfile.info(tmp_path / "buzz.wav")
    assert (info.samplerate, info.channels, info.duration) == (16_000, 1, 3.0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sample.wav"], "there is no sample 'sample.wav'; there are happy, sad, angry, fearful, calm"),
        (["happy", "--list"], "exclude each other"),
        (["--list", "--synthetic"], "exclude each other"),
    ],
)
def test_wrong_usage_is_said_and_writes_nothing(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
