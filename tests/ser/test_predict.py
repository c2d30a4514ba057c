"""`ser predict` against the real service, without one, and against none at all."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import requests
import soundfile
from typer.testing import CliRunner, Result

from ser.clips import find_clips
from ser.main import app
from speech_emotion.client import Client
from tests.support import sent
from tests.support.clips import multiplexed
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


def names(folder: Path) -> list[str]:
    return [clip.name for clip in find_clips([str(folder)])]


def predict(service: Gateway, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", "--url", service.url, *map(str, arguments)])


def test_a_folder_is_answered_in_order_and_a_bad_file_stops_nothing(service: Gateway, folder: Path) -> None:
    done = predict(service, folder, "--json", "--top", "2", "--jobs", "3")
    assert done.exit_code == 1, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == names(folder)
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
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == names(clips)
    assert 'shed_requests_total{reason="queue_full"} 0.0' not in refused


def test_a_url_is_taken_as_it_is_meant(service: Gateway, folder: Path) -> None:
    clip = str(folder / "deeper" / "00-calm-0.wav")
    for url in (service.url.removeprefix("http://"), f"{service.url}/predict"):
        assert CliRunner().invoke(app, ["predict", clip, "--url", url]).exit_code == 0


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


@pytest.fixture(scope="module")
def call(folder: Path) -> Path:
    """A clip of two channels, of which the second is silent."""
    samples, rate = soundfile.read(folder / "deeper" / "00-calm-0.wav")
    path = folder.parent / f"{folder.name}-call.wav"
    soundfile.write(path, np.stack([samples, 0 * samples], axis=1), rate)
    return path


def test_separate_channels_are_lines_of_their_own(service: Gateway, folder: Path, call: Path) -> None:
    alone = predict(service, folder / "deeper" / "00-calm-0.wav", "--json").stdout
    arguments = (call, folder / "broken.wav", "--channels", "separate")
    done = predict(service, *arguments, "--csv")
    assert done.exit_code == 1
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [(row["channel"], row["emotion"], row["reason"]) for row in rows] == [
        ("1", json.loads(alone)["emotion"], ""),
        ("2", "", "no_speech"),
        ("", "", ""),
    ]
    assert [row["error_code"] for row in rows] == ["", "", "unsupported_format"]
    answered, _ = map(json.loads, predict(service, *arguments, "--json").stdout.splitlines())
    assert (answered["emotion"], answered["reason"]) == (None, "separate_channels")
    assert [channel["channel"] for channel in answered["channels"]] == [1, 2]
    shown = predict(service, *arguments).stdout
    assert "channel" in shown
    assert "no speech" in shown


@pytest.fixture(scope="module")
def film(folder: Path) -> Path:
    """A film of two tracks: a tone of two seconds, and the speech of a clip of one."""
    samples, rate = soundfile.read(folder / "deeper" / "00-happy-0.wav")
    path = folder.parent / f"{folder.name}-film.mkv"
    path.write_bytes(multiplexed("matroska", [("flac", sent.tone(2.0, rate)), ("flac", samples[None])], rate))
    return path


def test_a_track_is_heard_by_its_number_and_a_clip_without_it_fails(service: Gateway, folder: Path, film: Path) -> None:
    clip = folder / "deeper" / "00-happy-0.wav"
    done = predict(service, film, clip, "--json", "--track", 2)
    assert done.exit_code == 1, done.output
    heard, failed = map(json.loads, done.stdout.splitlines())
    alone = json.loads(predict(service, clip, "--json", "--track", 1).stdout)
    assert heard["probabilities"] == alone["probabilities"]
    assert failed["error"]["code"] == "no_such_track"
    assert json.loads(predict(service, film, "--json").stdout)["audio"]["duration_s"] == pytest.approx(2.0)
    assert predict(service, film, "--track", 0).exit_code == 2


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


def test_every_kind_of_file_is_answered_or_a_failed_row(service: Gateway, folder: Path, tmp_path: Path) -> None:
    data = (folder / "deeper" / "00-calm-0.wav").read_bytes()
    strange = os.fsdecode(b"caf\xe9, a \x1b[31m\nname.wav")
    (tmp_path / "whole.wav").write_bytes(data)
    (tmp_path / strange).write_bytes(data)
    (tmp_path / "gone.wav").symlink_to("nowhere")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    (tmp_path / "film.wav").touch()
    os.truncate(tmp_path / "film.wav", 20_000_000_000)
    os.mkfifo(tmp_path / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.wav"))
        done = predict(service, tmp_path, "--json")
        rows = {Path(row["file"]).name: row for row in map(json.loads, done.stdout.splitlines())}
        table = predict(service, tmp_path)
        as_csv = predict(service, tmp_path, "--csv", "--output", tmp_path / "answers.csv")
    assert (done.exit_code, table.exit_code, as_csv.exit_code) == (1, 1, 1), table.output
    assert {name for name, row in rows.items() if "emotion" in row} == {"whole.wav", strange}
    failures = {name: row["error"] for name, row in rows.items() if "error" in row}
    assert {name: failure["code"] for name, failure in failures.items()} == {
        "gone.wav": "unreadable", "zero.wav": "unreadable", "pipe.wav": "unreadable", "socket.wav": "unreadable",
        "film.wav": "body_too_large",
    }  # fmt: skip
    assert "20,000,000,000 bytes, at most 1,468,006,400" in failures["film.wav"]["detail"]
    assert "a device" in failures["zero.wav"]["detail"]
    assert "[31m\\nname.wav" in table.stdout
    assert "\x1b" not in table.stdout
    again = predict(service, tmp_path, "--output", tmp_path / "answers.csv")
    assert "2 of 7 clips" in again.stderr


def test_a_clip_at_the_limit_is_sent_and_a_byte_more_is_not(service: Gateway, folder: Path) -> None:
    clip = folder / "deeper" / "00-calm-0.wav"
    size = clip.stat().st_size
    assert predict(service, clip, "--max-bytes", size).exit_code == 0
    for source in (clip, "-"):
        arguments = ["predict", "--url", service.url, "--json", "--max-bytes", str(size - 1), str(source)]
        done = CliRunner().invoke(app, arguments, input=clip.read_bytes())
        assert json.loads(done.stdout)["error"]["code"] == "body_too_large"


def test_pipes_are_read_once_and_whole(service: Gateway, folder: Path) -> None:
    clip = folder / "deeper" / "00-calm-0.wav"
    ask = f"{sys.executable} -m ser.main predict --json --max-bytes 16777216 --url {service.url}"
    command = f"{ask} <(cat {clip}) <(head -c 20000000 /dev/zero)"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    answered, refused = map(json.loads, done.stdout.splitlines())
    assert answered["emotion"]
    assert refused["error"]["code"] == "body_too_large"


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


def test_ctrl_c_ends_a_run_that_waits_for_standard_input() -> None:
    command = [sys.executable, "-m", "ser.main", "predict", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until_it_reads_standard_input(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == -signal.SIGINT
        assert process.stderr is not None
        assert process.stderr.read() == "interrupted\n"


def wait_until_it_reads_standard_input(pid: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for task in Path(f"/proc/{pid}/task").iterdir():
            called = (task / "syscall").read_text().split()
            if called[:2] == ["0", "0x0"]:  # read(0, ...)
                return
        time.sleep(0.02)
    raise AssertionError("it does not read")


def test_standard_input_is_a_clip(service: Gateway, folder: Path) -> None:
    data = (folder / "deeper" / "01-angry-0.wav").read_bytes()
    done = CliRunner().invoke(app, ["predict", "--url", service.url, "--json", "-"], input=data)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["audio"]["duration_s"] == pytest.approx(1.0)


def test_exit_codes_say_what_went_wrong(folder: Path, tmp_path: Path) -> None:
    runner, away = CliRunner(), f"http://127.0.0.1:{free_port()}"
    done = runner.invoke(app, ["predict", str(folder), "--url", away, "--deadline-s", "0.5"])
    assert done.exit_code == 3
    assert f"cannot be reached at {away}: " in done.stderr
    (tmp_path / "empty").mkdir()
    assert runner.invoke(app, ["predict", str(tmp_path / "empty"), "--url", away]).exit_code == 2
    assert runner.invoke(app, ["predict", "x", "--json", "--csv"]).exit_code == 2
    for url in ("ftp://127.0.0.1:1", "http://", "http://h:port"):
        done = runner.invoke(app, ["predict", str(folder), "--url", url])
        assert (done.exit_code, "not a URL" in done.stderr) == (2, True)
    assert runner.invoke(app, ["predict", ""]).exit_code == 2
    done = runner.invoke(app, ["predict", "x", "--local", "--store", str(tmp_path)])
    assert done.exit_code == 2
    assert "is not a model store" in done.stderr


def test_a_model_is_asked_by_its_name(service: Gateway, folder: Path, tmp_path: Path) -> None:
    clip = folder / "deeper" / "00-happy-0.wav"
    for model in ("edge", "speech_emotion"):
        done = predict(service, clip, "--json", "--model", model)
        assert json.loads(done.stdout)["model"]["name"] == model
    done = predict(service, clip, "--model", "absent")
    assert done.exit_code == 1
    assert "unknown_model" in done.stdout
    (tmp_path / "models.config").write_text('model_config_list { config { name: "one" base_path: "/models/one" } }')
    local = ["predict", str(clip), "--local", "--store", str(tmp_path)]
    done = CliRunner().invoke(app, [*local, "--model", "absent"])
    assert (done.exit_code, "names no model absent. It names one" in done.stderr) == (2, True)
    (tmp_path / "models.config").write_text("")
    done = CliRunner().invoke(app, local)
    assert (done.exit_code, "names no model: publish one" in done.stderr) == (2, True)


def test_local_answers_are_the_services_of_the_same_track(service: Gateway, folder: Path, film: Path) -> None:
    asked = ["--local", "--json", "--track", "2", str(film), str(folder / "none.wav")]
    command = [sys.executable, "-m", "ser.main", "predict", *asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 1, done.stderr
    answer, failed = map(json.loads, done.stdout.splitlines())
    with Client(service.url) as client:
        expected = client.predict(film, track=2)
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    assert (answer["model"], answer["audio"]) == (asdict(expected.model), asdict(expected.audio))
    assert answer["audio"]["duration_s"] == pytest.approx(1.0)
    assert failed["error"]["code"] == "unreadable"


def test_predict_imports_neither_numpy_nor_tensorflow() -> None:
    code = f"""
import sys
from ser.clips import find_clips
from ser.main import app
try:
    app(["predict", {__file__!r}, "--url", "http://127.0.0.1:{free_port()}", "--deadline-s", "0.3"])
except SystemExit as done:
    assert done.code == 3, done.code
print({{"numpy", "tensorflow", "librosa", "soundfile", "flask", "grpc"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
