"""`ser predict --output`: a run goes on where another ended, and nobody's file is lost."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ser.main import app
from tests.ser.conftest import predict
from tests.support.gateway import Gateway
from tests.support.ports import free_port


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.csv"])
def test_a_run_goes_on_where_another_ended(service: Gateway, folder: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / name
    whole = predict(service, folder, "--output", output)
    assert whole.exit_code == 1
    complete = output.read_text()
    lines = complete.splitlines()
    cut = "\n".join(lines[:-2]) + "\n" + lines[-2][:30]  # the run was killed while it wrote a line
    output.write_text(cut)
    done = predict(service, folder, "--output", output)
    assert done.exit_code == 1  # the broken file is tried again, and is still broken
    assert "4 of 7 clips" in done.stderr
    assert answers(output.read_text(), name) == answers(complete, name)
    again = predict(service, folder / "deeper", "--output", output)
    assert (again.exit_code, again.stdout) == (0, "")
    assert "6 of 6 clips" in again.stderr


def answers(text: str, name: str) -> list[tuple[str, str]]:
    rows = csv.DictReader(text.splitlines()) if name.endswith(".csv") else map(json.loads, text.splitlines())
    return [(row["file"], row["emotion"]) for row in rows]


@pytest.mark.parametrize("name", ["answers.csv", "answers.jsonl"])
def test_names_with_line_breaks_are_told_apart(service: Gateway, folder: Path, tmp_path: Path, name: str) -> None:
    clip = (folder / "deeper" / "00-calm-0.wav").read_bytes()
    odd = [tmp_path / "clips" / each for each in ("a\rb.wav", "c\nd.wav", 'e",f.wav', "g\r\nh.wav")]
    odd[0].parent.mkdir()
    for path in odd:
        path.write_bytes(clip)
    output = tmp_path / name
    assert predict(service, odd[0].parent, "-o", output).exit_code == 0
    content = output.read_bytes()
    again = predict(service, odd[0].parent, "-o", output)
    assert (again.exit_code, output.read_bytes()) == (0, content)
    assert "4 of 4 clips are in" in again.stderr
    text = content.decode()
    found = (
        csv.DictReader(io.StringIO(text, newline=""))
        if name.endswith("csv")
        else map(json.loads, text.split("\n")[:-1])
    )
    assert {row["file"] for row in found} == set(map(str, odd))


@pytest.mark.parametrize("name", ["answers.csv", "answers.jsonl"])
def test_a_run_over_separate_channels_goes_on_where_it_ended(
    service: Gateway, folder: Path, call: Path, tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    arguments = ("--channels", "separate", "-o", output)
    assert predict(service, call, *arguments).exit_code == 0
    again = predict(service, call, folder / "deeper" / "00-calm-0.wav", *arguments)
    assert again.exit_code == 0
    assert "1 of 2 clips are in" in again.stderr
    content = output.read_text()
    assert content.count("no_speech") == 1
    if name.endswith(".csv"):
        mixed = predict(service, call, "-o", output)
        assert (mixed.exit_code, output.read_text()) == (2, content)


def test_a_foreign_output_file_is_not_written_to(service: Gateway, folder: Path, tmp_path: Path) -> None:
    (output := tmp_path / "notes.txt").write_text("my notes\n")
    done = predict(service, folder, "--output", output)
    assert done.exit_code == 2
    assert output.read_text() == "my notes\n"


@pytest.mark.parametrize(("name", "content"), [
    ("a.jsonl", "my notes"), ("a.csv", "my notes"), ("b.csv", "file,mine\n"), ("b.jsonl", '{"mine": 1}\n'),
    ("c.jsonl", '{"file": "a.wav"}\n[1]\n'), ("d.csv", "a,b\n1,2\n"),
])  # fmt: skip
def test_no_byte_of_a_foreign_output_file_changes(folder: Path, tmp_path: Path, name: str, content: str) -> None:
    (output := tmp_path / name).write_text(content)
    done = CliRunner().invoke(app, ["predict", str(folder), "--output", str(output)])
    assert done.exit_code == 2
    assert "stays as it is" in done.stderr
    assert output.read_text() == content


def test_an_output_that_cannot_be_written_is_found_out_first(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nobody = f"http://127.0.0.1:{free_port()}"
    for output in ("nowhere/x.jsonl", "file/x.jsonl", "."):
        done = CliRunner().invoke(app, ["predict", str(folder), "--url", nobody, "-o", str(tmp_path / output)])
        assert done.exit_code == 2
        assert f"{tmp_path / output} cannot be written: " in done.stderr


def test_a_disk_that_fills_up_ends_the_run_in_a_sentence(service: Gateway, folder: Path) -> None:
    done = predict(service, folder / "deeper", "-o", "/dev/full")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "/dev/full: No space left on device" in done.stderr
    command = f"{sys.executable} -m ser.main predict --json --url {service.url} {folder / 'deeper'}"
    full = subprocess.run(["bash", "-c", f"{command} > /dev/full"], capture_output=True, text=True, timeout=60)
    assert full.returncode == 1
    assert full.stderr.strip() == "standard output: No space left on device"
    left = subprocess.run(["bash", "-c", f"{command} | head -1"], capture_output=True, text=True, timeout=60)
    assert (len(left.stdout.splitlines()), left.stderr) == (1, "")
