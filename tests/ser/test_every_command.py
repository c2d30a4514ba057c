"""No command ends in a traceback: outputs are tried before the work, and what is missing is named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from ser.main import app
from tests.support.ports import free_port
from training_pipeline.data.synthetic import write_synthetic

ROOT = Path(__file__).parents[2]
KFP = f"http://127.0.0.1:{free_port()}"

OUTPUTS = {
    "serve": "--sample FILE",
    "predict": "DATA --url 127.0.0.1:1 --output FILE",
    "sample": "--output FILE",
    "synthetic": "FOLDER",
    "manifest": "DATA --output FILE",
    "evaluate": "--retrain --data MANIFEST --output FOLDER",
    "evaluate --pictures": "--predictions MODELS/evaluation --pictures FOLDER",
    "evaluate --checkpoints": "--retrain --data MANIFEST --checkpoints FOLDER",
    "train": "--data MANIFEST --export FOLDER",
    "sizes": "--data MANIFEST --output FILE",
    "eda": "--data MANIFEST --output FOLDER",
    "models sync": "MODELS FOLDER",
    "pipeline run": "--data MANIFEST --label none --work FOLDER",
    "pipeline fetch": "FOLDER",
    "pipeline compile": "--output FILE.yaml",
}
"""A command, and how it is told to write to FILE or FOLDER."""
NO_OUTPUT = {
    "sounds", "listen", "models list", "models show", "models publish", "models promote", "models canary",
    "models rollback", "models prune", "pipeline draw", "pipeline submit", "pipeline schedule",
    "cache show", "cache prune",
}  # fmt: skip
"""Commands that write nothing, or into the store alone."""

INPUTS = {
    "serve": ("--store IN", 1),
    "predict": ("CLIP --local --store IN", 2),
    "manifest": ("IN", 1),
    "evaluate": ("--retrain --data IN", 1),
    "evaluate --predictions": ("--predictions IN", 1),
    "evaluate --page": ("--predictions MODELS/evaluation --page IN", 2),
    "train": ("--data IN --export OUT", 1),
    "train --evaluation": ("--data MANIFEST --export OUT --evaluation IN", 1),
    "sizes": ("--data IN", 1),
    "eda": ("--data IN", 1),
    "sounds": ("IN --version MODELS/speech_emotion/2", 2),
    "sounds --version": ("DATA --version IN", 2),
    "models list": ("--store IN", 1),
    "models show": ("1 --store IN", 1),
    "models publish": ("IN --store OUT", 1),
    "models promote": ("1 --offline --store IN", 1),
    "models canary": ("1 --offline --store IN", 1),
    "models rollback": ("--offline --store IN", 1),
    "models prune": ("--yes --store IN", 1),
    "models sync": ("IN OUT", 1),
    "pipeline run": ("--data IN --label none", 7),
    "pipeline draw": ("--package IN", 2),
    "pipeline submit": (f"--host {KFP} --package IN", 2),
    "pipeline schedule": (f"--host {KFP} --cron x --package IN", 2),
}
"""A command, how it is told to read IN, and its exit code if there is none."""


def commands(group: typer.core.TyperGroup, above: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from commands(command, f"{above}{name} ")
        else:
            yield above + name


EVERY = sorted(commands(typer.main.get_command(app)))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_synthetic(folder, speakers=2, takes=1)
    return folder


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults such as .cache and reports lie in a temporary folder."""
    monkeypatch.chdir(tmp_path)


def run(command: str, arguments: str, data: Path, **names: object) -> Result:
    given = {"DATA": data, "MANIFEST": data / "manifest.csv", "MODELS": ROOT / "models", "OUT": Path("out")}
    given |= {"CLIP": data / "00-calm-0.wav", **names}
    words = [re.sub("|".join(given), lambda found: str(given[found[0]]), word) for word in arguments.split()]
    return CliRunner().invoke(app, [*(word for word in command.split() if word[0] != "-"), *words])


def assert_ends_in_a_sentence(done: Result, code: int, *named: object) -> None:
    assert done.exit_code == code, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.output
    for name in named:
        assert str(name) in done.stderr


def test_every_command_is_tested_here() -> None:
    tested = {re.sub(" --.*", "", command) for command in OUTPUTS}
    assert tested | NO_OUTPUT == set(EVERY)
    reading = {re.sub(" --.*", "", command) for command in INPUTS}
    assert set(EVERY) - reading == {
        "sample", "listen", "synthetic", "pipeline compile", "pipeline fetch", "cache show", "cache prune",
    }  # fmt: skip


@pytest.mark.parametrize("command", OUTPUTS)
def test_an_output_that_cannot_be_written_is_named_before_the_work(command: str, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in ("file/deeper/x", "/proc/x"):
        done = run(command, OUTPUTS[command], data, FILE=place, FOLDER=place)
        assert_ends_in_a_sentence(done, 2, f"{place}", "cannot be written: ")
        assert done.stdout == ""
    if "FILE" in OUTPUTS[command]:
        (tmp_path / "folder.yaml").mkdir()
        for place in ("nowhere/x", "folder"):
            suffix = "" if "FILE.yaml" in OUTPUTS[command] else ".yaml"
            done = run(command, OUTPUTS[command], data, FILE=place + suffix)
            assert_ends_in_a_sentence(done, 2, "cannot be written: ")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "folder.yaml") == ["file"]


READ = [(command, kind) for command in INPUTS for kind in ("missing", "empty", "file", "device")]
READ.remove(("evaluate --page", "file"))  # `test_kept` has it: to read all predictions takes long


@pytest.mark.parametrize(("command", "kind"), READ)
def test_an_input_that_is_not_there_or_another_thing_is_named(
    command: str, kind: str, data: Path, tmp_path: Path
) -> None:
    if kind == "empty":
        (tmp_path / kind).mkdir()
    if kind == "file":
        (tmp_path / kind).write_bytes(b"\xff\x00 nothing that is known")
    if kind == "device":
        (tmp_path / kind).symlink_to("/dev/zero")
    arguments, code = INPUTS[command]
    done = run(command, arguments, data, IN=tmp_path / kind)
    assert done.exit_code in {code, 1}
    assert_ends_in_a_sentence(done, done.exit_code)
    assert done.stderr.strip()
    assert not (tmp_path / "out" / "saved_model.pb").exists()


def test_too_few_speakers_or_emotions_are_said_with_how_many_are_needed(data: Path, tmp_path: Path) -> None:
    done = run("evaluate", "--retrain --data MANIFEST", data)
    assert_ends_in_a_sentence(done, 1, "3 speakers are needed", "00, 01")
    (tmp_path / "one.csv").write_text(f"path,label,speaker\n{data / '00-calm-0.wav'},calm,me\n")
    done = run("train", "--data one.csv --export out", data)
    assert_ends_in_a_sentence(done, 1, "2 emotions are needed", "calm")
    done = run("pipeline run", "--data MANIFEST --label none", data)
    assert_ends_in_a_sentence(done, 7, "fewer than 3 speakers")


def test_evaluate_leaves_each_of_three_speakers_out_and_any_name_of_an_emotion_is_drawn(tmp_path: Path) -> None:
    manifest = write_synthetic(tmp_path / "three", speakers=3, takes=2)
    manifest.write_text(manifest.read_text().replace("calm", "calm/$x^$").replace("-calm/$x^$-", "-calm-"))
    done = run("evaluate", "--retrain --data MANIFEST --model mlp --no-random-split --json", manifest.parent)
    assert done.exit_code == 0, done.output
    rows = (tmp_path / "reports" / "evaluation" / "mlp" / "predictions.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 3 * 2
    done = run("eda", "--data MANIFEST", manifest.parent)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "reports" / "eda" / "clip-calm-x-.png").is_file()


@pytest.mark.parametrize("command", ["sample -o /dev/full", "models list", "--help"])
def test_a_full_disk_is_one_line_and_a_reader_that_leaves_is_none(command: str) -> None:
    # `head` reads one line and goes; the shell says what the command itself ended with.
    ser = f"{sys.executable} -m ser.main {command}"
    full = subprocess.run(["bash", "-c", f"{ser} > /dev/full"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert full.returncode == 1
    assert full.stderr.strip().endswith("No space left on device")
    assert len(full.stderr.splitlines()) == 1
    left = subprocess.run(
        ["bash", "-c", f"{ser} 2>&1 | head -1"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in left.stdout + left.stderr
    assert "Exception" not in left.stdout + left.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_somebody_else_is_said_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir(mode=0o755)
    # It becomes nobody once all is imported: nobody may have no access to this repository.
    code = (
        "import os, sys; from pathlib import Path; from ser.output import output_file; "
        "os.setgroups([]); os.setuid(65534); output_file(Path(sys.argv[1]))"
    )
    as_nobody = [sys.executable, "-c", code, str(tmp_path / "theirs/x")]
    done = subprocess.run(as_nobody, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert "theirs/x cannot be written: Permission denied" in done.stderr


def test_the_version_is_said() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, bool(re.fullmatch(r"ser \d+\.\d+\.\d+\n", done.stdout))) == (0, True)


@pytest.mark.parametrize("command", ["", *EVERY])
def test_every_help_text_is_a_sentence(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "300", "TERMINAL_WIDTH": "300"})
    assert done.exit_code == 0
    documented = typer.main.get_command(app)
    for name in command.split():
        documented = documented.commands[name]  # type: ignore[attr-defined]
    for text in [documented.help, *(parameter.help for parameter in documented.params)]:
        if text is None or text == "Show this message and exit." or "completion" in text:
            continue
        assert text[0].isupper(), text
        assert text.rstrip()[-1] in ".)", text
