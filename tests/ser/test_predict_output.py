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
    clip = folder / "deeper" / "00-calm-0.wav"
    again = predict(service, call, clip, *arguments)
    assert again.exit_code == 0
    # Nothing says that the last clip of a CSV file has all its lines.
    assert ("1 of 2 clips are in" in again.stderr) == name.endswith(".jsonl")
    again = predict(service, call, clip, *arguments)
    assert ("1 of 2" if name.endswith(".csv") else "2 of 2") in again.stderr
    content = output.read_text()
    assert content.count("no_speech") == 1
    if name.endswith(".csv"):
        mixed = predict(service, call, "-o", output)
        assert (mixed.exit_code, output.read_text()) == (2, content)


def heard(output: Path) -> list[tuple[str, str]]:
    with output.open(newline="") as file:
        return [(Path(row["file"]).name, row["channel"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("cut", ["in the second line", "between the lines", "in the first line"])
def test_a_clip_that_lacks_channels_is_asked_again(
    service: Gateway, folder: Path, call: Path, tmp_path: Path, cut: str
) -> None:
    output, clip = tmp_path / "answers.csv", folder / "deeper" / "00-calm-0.wav"
    arguments = ("--channels", "separate", "-o", output)
    assert predict(service, clip, call, *arguments).exit_code == 0
    *before, first, second = output.read_text().splitlines(keepends=True)
    kept = {
        "in the second line": first + second[:20],
        "between the lines": first,
        "in the first line": first[:20],
    }[cut]
    output.write_text("".join([*before, kept]))
    output.chmod(0o600)
    (link := tmp_path / "link.csv").symlink_to(output)
    again = predict(service, clip, call, "--channels", "separate", "-o", link)
    assert again.exit_code == 0
    assert sorted(heard(output)) == [(clip.name, "1"), (call.name, "1"), (call.name, "2")]
    assert link.is_symlink()
    assert output.stat().st_mode & 0o777 == 0o600


def test_lines_stay_until_their_clip_is_answered_again(
    service: Gateway, folder: Path, call: Path, tmp_path: Path
) -> None:
    output, clip = tmp_path / "answers.csv", folder / "deeper" / "00-calm-0.wav"
    arguments = ("--channels", "separate", "-o", output)
    assert predict(service, call, *arguments).exit_code == 0
    content = output.read_text()
    away = ["predict", str(call), "--url", f"http://127.0.0.1:{free_port()}", "--deadline-s", "1"]
    assert CliRunner().invoke(app, [*away, *map(str, arguments)]).exit_code == 3
    assert output.read_text() == content
    assert predict(service, clip, *arguments).exit_code == 0
    assert output.read_text().startswith(content)
    assert predict(service, call, *arguments).stderr == "1 of 1 clips are in " + f"{output} already\n"


@pytest.mark.parametrize("name", ["answers.jsonl", "answers.csv"])
def test_an_answer_that_does_not_fit_on_the_disk_is_not_there(
    service: Gateway, call: Path, tmp_path: Path, name: str
) -> None:
    output = tmp_path / name
    asked = ["predict", "--url", service.url, "--channels", "separate", "-o", str(output), str(call)]
    # A limit on the size of files is met in the middle of an answer, as the end of a disk is.
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (400, 400)); from ser.main import app; "
    full = subprocess.run([sys.executable, "-c", f"{limited} app({asked})"], capture_output=True, text=True, timeout=90)
    assert (full.returncode, output.read_bytes()) == (1, b"")
    assert f"{output}: File too large" in full.stderr
    assert predict(service, *asked[3:]).exit_code == 0
    assert len(output.read_text().splitlines()) == (3 if name.endswith(".csv") else 1)


def test_what_is_uncertain_is_written_as_the_service_writes_it(service: Gateway, folder: Path, tmp_path: Path) -> None:
    output, clips = tmp_path / "answers.csv", sorted((folder / "deeper").glob("*.wav"))
    assert predict(service, *clips[:2], "-o", output).exit_code == 0
    with output.open(newline="") as file:
        assert {row["uncertain"] for row in csv.DictReader(file)} <= {"false", "true"}
    # A file of before is gone on with.
    before = output.read_text().replace(",false,", ",False,").replace(",true,", ",True,")
    output.write_text(before)
    again = predict(service, *clips[:3], "-o", output)
    assert (again.exit_code, "2 of 3 clips are in" in again.stderr) == (0, True)
    assert output.read_text().startswith(before)


def test_a_foreign_output_file_is_not_written_to(service: Gateway, folder: Path, tmp_path: Path) -> None:
    (output := tmp_path / "notes.txt").write_text("my notes\n")
    done = predict(service, folder, "--output", output)
    assert done.exit_code == 2
    assert output.read_text() == "my notes\n"


@pytest.mark.parametrize(("name", "content"), [
    ("a.jsonl", "my notes"), ("a.csv", "my notes"), ("b.csv", "file,mine\n"), ("b.jsonl", '{"mine": 1}\n'),
    ("c.jsonl", '{"file": "a.wav"}\n[1]\n'), ("d.jsonl", '{"file": ["a.wav"]}\n'), ("d.csv", "a,b\n1,2\n"),
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
