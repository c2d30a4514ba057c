"""`ser predict`: files of every kind, pipes and standard input, and the limit on their size."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ser.main import app
from tests.ser.conftest import predict
from tests.support.gateway import Gateway
from tests.support.waiting import until


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


def test_standard_input_is_a_clip(service: Gateway, folder: Path) -> None:
    data = (folder / "deeper" / "01-angry-0.wav").read_bytes()
    done = CliRunner().invoke(app, ["predict", "--url", service.url, "--json", "-"], input=data)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["audio"]["duration_s"] == pytest.approx(1.0)


def test_ctrl_c_ends_a_run_that_waits_for_standard_input() -> None:
    command = [sys.executable, "-m", "ser.main", "predict", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until_it_reads_standard_input(process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
        assert process.stderr is not None
        assert process.stderr.read() == "interrupted\n"


def wait_until_it_reads_standard_input(pid: int) -> None:
    def reads(task: Path) -> bool:
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
            return (task / "syscall").read_text().split()[:2] == ["0", "0x0"]  # read(0, ...)
        return False

    until(lambda: any(map(reads, Path(f"/proc/{pid}/task").iterdir())))
