from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner

from ser.main import app
from tests.support.ports import free_port
from tests.training_pipeline.data.test_data import ravdess_tree
from training_pipeline.data.clips import read_clips
from training_pipeline.data.ravdess import read_ravdess
from training_pipeline.data.synthetic import write_synthetic

ROOT = Path(__file__).parent.parent.parent


def test_help_imports_no_numpy() -> None:
    code = """
import sys
from ser.main import app
try:
    app(["--help"])
except SystemExit as done:
    assert done.code == 0
assert not {"numpy", "tensorflow", "scipy", "sklearn"} & sys.modules.keys()
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert "evaluate" in done.stdout


def test_evaluate_and_eda_write_their_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = str(write_synthetic(tmp_path / "data", speakers=5, takes=1))
    runner = CliRunner()
    done = runner.invoke(app, ["evaluate", "--retrain", "--data", manifest, "--model", "mlp", "-o", "out", "--json"])
    assert done.exit_code == 0, done.output
    assert set(json.loads(done.stdout)["mlp"]) == {"unheard_speakers", "random_split"}
    assert {path.name for path in Path("out").iterdir()} == {"README.md", "results.json", "confusion-mlp.png", "mlp"}
    done = runner.invoke(app, ["evaluate", "--predictions", "out", "--pictures", "drawn"])
    assert done.exit_code == 0, done.output
    assert re.search(r"\| `mlp` \| (\S+%) \| 0: \1 \|", done.output)  # one seed: its accuracy is the mean
    drawn = {"confusion-mlp.png", "reliability-mlp.png", "speakers-mlp.png"}
    assert {path.name for path in Path("drawn").iterdir()} == drawn
    done = runner.invoke(app, ["evaluate", "--predictions", "out", "--model", "ann"])
    assert done.exit_code == 1
    assert "no predictions of ann" in done.output
    done = runner.invoke(app, ["eda", "--data", manifest, "--output", "eda"])
    assert done.exit_code == 0, done.output
    expected = {"class-balance.png", "durations.png", "clip-calm.png", "clip-happy.png", "clip-angry.png"}
    assert {path.name for path in Path("eda").iterdir()} == expected


def test_evaluate_measures_robustness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("training_pipeline.robustness.measure.TAKES", 1)
    manifest = str(write_synthetic(tmp_path / "data", speakers=5, takes=1))
    command = ["evaluate", "--data", manifest, "--model", "mlp", "--no-random-split", "-o", "out", "--robustness"]
    refused = CliRunner().invoke(app, command)
    assert (refused.exit_code, "--retrain" in refused.output) == (1, True)
    done = CliRunner().invoke(app, [*command, "--retrain", "--robustness-clips", "2"])
    assert done.exit_code == 0, done.output
    measured = json.loads(Path("out/mlp/robustness.json").read_text())
    assert measured["conditions"]["8 kHz"]["files"] == 10
    assert len(measured["folds"]) == 5
    assert "## Robustness of `mlp`" in done.stdout
    assert "## Robustness of `mlp`" in Path("out/README.md").read_text()


def test_eda_names_the_clip_that_cannot_be_read(tmp_path: Path) -> None:
    manifest = write_synthetic(tmp_path / "data", speakers=2, takes=1)
    (manifest.parent / "01-calm-0.wav").write_bytes(b"RIFF")
    done = CliRunner().invoke(app, ["eda", "--data", str(manifest), "--output", str(tmp_path / "eda")])
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "01-calm-0.wav: " in done.output


def test_a_manifest_is_not_written_beside_what_is_known_of_another(tmp_path: Path) -> None:
    ravdess_tree(tmp_path / "set")
    (tmp_path / "m.corpora.json").write_text('{"calls": {}}')
    done = CliRunner().invoke(app, ["manifest", str(tmp_path / "set"), "-o", str(tmp_path / "m.csv")])
    assert done.exit_code != 0
    assert "m.corpora.json would be taken for what is known of this manifest" in done.output
    assert not (tmp_path / "m.csv").exists()


def test_manifest_of_ravdess_reads_back_as_its_clips(tmp_path: Path) -> None:
    folder = ravdess_tree(tmp_path / "ravdess")
    (folder / "readme.txt").touch()
    done = CliRunner().invoke(app, ["manifest", str(folder), "-o", str(tmp_path / "manifest.csv")])
    assert done.exit_code == 0, done.output
    assert "192 clips, 1 other files skipped" in done.output
    written, read = read_clips(tmp_path / "manifest.csv"), read_ravdess(folder).clips
    assert [(c.path.resolve(), c.emotion, c.speaker, c.sex) for c in written] == [
        (c.path.resolve(), c.emotion, c.speaker, c.sex) for c in read
    ]


def test_bad_data_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["evaluate", "--retrain", "--data", str(tmp_path / "nowhere")])
    assert done.exit_code == 1
    assert "no such file or folder" in done.output


def test_a_busy_port_is_said_with_its_setting(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        sample = str(tmp_path / "sample.wav")
        done = CliRunner().invoke(app, ["serve", "--port", str(busy.getsockname()[1]), "--sample", sample])
    assert done.exit_code == 1
    assert "GATEWAY_PORT" in done.output


def test_serve_answers_with_the_shipped_model_and_stops(tmp_path: Path) -> None:
    port, sample = free_port(), tmp_path / "sample.wav"
    ports = ["--port", port, "--probe-port", free_port(), "--model-server-port", free_port()]
    command = [sys.executable, "-m", "ser.main", "serve", *map(str, ports), "--sample", str(sample)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 240
        while not (found := re.search(r".*curl -F.*\n", said := (tmp_path / "log").read_text())):
            assert process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.2)
        done = subprocess.run(found.group().split(), capture_output=True, text=True, timeout=120, check=True)
        answer = json.loads(done.stdout)
        assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
        assert answer["model"]["label"] == "stable"
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(120) == 0
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/", timeout=2)
