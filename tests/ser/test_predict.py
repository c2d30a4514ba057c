"""`ser predict` against the real service, without one, and against none at all."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import requests
from typer.testing import CliRunner, Result

from ser.main import app
from ser.outcomes import UsageError, find_clips
from speech_emotion.client import Client
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer, free_port
from training_pipeline.data.synthetic import write_synthetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips, and a text that calls itself one."""
    clips = tmp_path_factory.mktemp("clips")
    write_synthetic(clips / "deeper", speakers=2, takes=1)
    (clips / "broken.wav").write_text("no audio")
    return clips


def predict(service: Gateway, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", "--url", service.url, *map(str, arguments)])


def test_a_folder_is_answered_in_order_and_a_bad_file_stops_nothing(service: Gateway, folder: Path) -> None:
    done = predict(service, folder, "--json", "--top", "2", "--jobs", "3")
    assert done.exit_code == 1, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == find_clips([str(folder)])
    failed, *answered = lines
    assert failed["error"]["code"] == "unsupported_format"
    assert failed["error"]["request_id"]
    assert "broken.wav: unsupported_format" in done.stderr
    with Client(service.url) as client:
        for line in answered:
            assert line["emotion"] == client.predict(line["file"]).emotion


def test_more_at_once_than_the_service_holds_lose_no_file(service_models: ModelServer, folder: Path) -> None:
    clips = folder / "deeper"
    with Gateway(service_models.address, concurrency=1, queue=0, retry_after_s=4) as crowded:
        # A deadline before Retry-After leaves a client no retry of its own.
        done = predict(crowded, clips, "--json", "--jobs", "6", "--deadline-s", "3.5")
        refused = requests.get(f"{crowded.probes}/metrics", timeout=10).text
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == find_clips([str(clips)])
    assert 'shed_requests_total{reason="queue_full"} 0.0' not in refused


def test_people_get_a_table_and_scripts_csv(service: Gateway, folder: Path) -> None:
    done = predict(service, folder / "deeper" / "00-calm-0.wav")
    assert (done.exit_code, done.stderr) == (0, "")
    assert "emotion" in done.stdout
    done = predict(service, folder, "--csv")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == 7
    assert rows[0]["error_code"] == "unsupported_format"
    probabilities = json.loads(rows[1]["probabilities"])
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert float(rows[1]["confidence"]) == max(probabilities.values())


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


def test_a_foreign_output_file_is_not_written_to(service: Gateway, folder: Path, tmp_path: Path) -> None:
    (output := tmp_path / "notes.txt").write_text("my notes\n")
    done = predict(service, folder, "--output", output)
    assert done.exit_code == 2
    assert output.read_text() == "my notes\n"


def test_standard_input_is_a_clip(service: Gateway, folder: Path) -> None:
    data = (folder / "deeper" / "01-angry-0.wav").read_bytes()
    done = CliRunner().invoke(app, ["predict", "--url", service.url, "--json", "-"], input=data)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["audio"]["duration_s"] == pytest.approx(1.0)


def test_exit_codes_say_what_went_wrong(folder: Path, tmp_path: Path) -> None:
    runner, away = CliRunner(), f"http://127.0.0.1:{free_port()}"
    done = runner.invoke(app, ["predict", str(folder), "--url", away, "--deadline-s", "0.5"])
    assert done.exit_code == 3
    assert "cannot be reached" in done.stderr
    (tmp_path / "empty").mkdir()
    assert runner.invoke(app, ["predict", str(tmp_path / "empty"), "--url", away]).exit_code == 2
    assert runner.invoke(app, ["predict", "x", "--json", "--csv"]).exit_code == 2
    done = runner.invoke(app, ["predict", "x", "--local", "--store", str(tmp_path)])
    assert done.exit_code == 2
    assert "no model store" in done.stderr


def test_local_answers_are_the_services(service: Gateway, folder: Path) -> None:
    clip = folder / "deeper" / "00-happy-0.wav"
    command = [sys.executable, "-m", "ser.main", "predict", "--local", "--json", str(clip), str(folder / "none.wav")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1, done.stderr
    answer, failed = map(json.loads, done.stdout.splitlines())
    with Client(service.url) as client:
        expected = client.predict(clip)
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    assert answer["model"] == asdict(expected.model)
    assert failed["error"]["code"] == "unreadable"


def test_folders_name_their_audio_once_and_in_order(tmp_path: Path) -> None:
    for name in ("b.WAV", "a.mp3", "notes.txt", "c/d.webm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    expected = [str(tmp_path / name) for name in ("a.mp3", "b.WAV", "c/d.webm")]
    assert find_clips([str(tmp_path), expected[0], "-"]) == [*expected, "-"]
    (tmp_path / "text").mkdir()
    with pytest.raises(UsageError):
        find_clips([str(tmp_path / "text")])


def test_predict_imports_neither_numpy_nor_tensorflow() -> None:
    code = f"""
import sys
from ser.main import app
try:
    app(["predict", {__file__!r}, "--url", "http://127.0.0.1:{free_port()}", "--deadline-s", "0.3"])
except SystemExit as done:
    assert done.code == 3, done.code
print({{"numpy", "tensorflow", "librosa", "soundfile", "flask", "grpc"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
