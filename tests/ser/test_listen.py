"""`ser listen` as a shell runs it: a pipe or a recorder in, a line for each window out."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from ser import listen
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

SER = [sys.executable, "-m", "ser.main", "listen"]


def samples(seconds: float = 5.0) -> bytes:
    found, _ = soundfile.read(io.BytesIO(clips.tone(seconds)), dtype="int16")
    return bytes(found.tobytes())


def run(*arguments: str, data: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **environment}
    return subprocess.run([*SER, *arguments], input=data, capture_output=True, env=environment, timeout=120)


def test_a_pipe_is_heard_window_by_window(service: Gateway) -> None:
    done = run("-", "--url", service.url, "--model", "edge", data=samples())
    assert done.returncode == 0, done.stderr
    *windows, last = done.stdout.decode().splitlines()
    assert [line.split()[:2] for line in windows] == [["0.0", "4.0"], ["1.0", "5.0"]]
    assert last.endswith("altogether")


def test_json_has_an_object_a_line(service: Gateway) -> None:
    done = run("-", "--url", service.url, "--model", "edge", "--json", "--emotions", "sad,calm", data=samples())
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["type"] for event in events] == ["window", "now", "window", "now", "end"]
    assert list(events[0]["probabilities"]) == ["calm", "sad"]


def test_the_url_may_have_a_path(below_a_path: str) -> None:
    done = run("-", "--url", below_a_path, "--model", "edge", data=samples())
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().endswith("altogether\n")


def recorder(folder: Path, script: str) -> str:
    program = folder / "arecord"
    program.write_text(f"#!{sys.executable}\nimport sys, time\n{script}")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def test_the_microphone_is_heard_until_ctrl_c(tmp_path: Path, service: Gateway) -> None:
    sound = tmp_path / "sound"
    sound.write_bytes(samples())
    script = f"sys.stdout.buffer.write(open({str(sound)!r}, 'rb').read()); sys.stdout.flush()\ntime.sleep(60)"
    command = [*SER, "--url", service.url, "--model", "edge"]
    environment = {**os.environ, "PATH": recorder(tmp_path, script)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, start_new_session=True
    ) as heard:
        assert heard.stdout is not None
        first = heard.stdout.readline().split()
        os.killpg(heard.pid, signal.SIGINT)  # as a terminal does
        rest, said = heard.communicate(timeout=60)
    assert first[:2] == [b"0.0", b"4.0"]
    assert b"altogether" in rest, said
    assert heard.returncode == 0


def test_a_pipe_that_stays_open_does_not_keep_the_end_of_the_stream(service_models: ModelServer) -> None:
    with Gateway(service_models.address, stream_max_s=6) as short:
        command = [*SER, "-", "--url", short.url]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as heard:
            assert heard.stdin is not None
            heard.stdin.write(samples(10))
            heard.stdin.flush()
            assert heard.wait(120) == 1
            assert heard.stdout is not None
            assert heard.stderr is not None
            shown, told = heard.stdout.read(), heard.stderr.read()
    assert shown.splitlines()[-1].endswith(b"altogether")
    assert len(told.splitlines()) == 1, told
    assert b"lasted 6 s" in told


def test_a_closed_standard_input_is_a_sentence(service: Gateway) -> None:
    command = " ".join(shlex.quote(each) for each in [*SER, "-", "--url", service.url])
    done = subprocess.run(f"{command} <&-", shell=True, capture_output=True, timeout=120)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().strip() == "standard input is closed"


def test_without_a_program_that_records_there_is_a_sentence(tmp_path: Path, service: Gateway) -> None:
    done = run("--url", service.url, PATH=str(tmp_path))
    assert done.returncode == 1
    assert b"install one of arecord, parecord, ffmpeg" in done.stderr


def test_a_service_that_is_away_is_exit_code_3() -> None:
    done = run("-", "--url", "127.0.0.1:1", data=samples(1))
    assert (done.returncode, b"cannot be reached" in done.stderr) == (3, True)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(("arguments", "said"), [(["clip.wav"], b"ser predict"), (["-", "--rate", "0"], b"--rate")])
def test_wrong_usage_is_named(arguments: list[str], said: bytes) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr


def test_every_recorder_writes_16_bit_samples_of_the_rate() -> None:
    for arguments in listen.RECORDERS.values():
        command = " ".join(arguments(8_000, 2)).lower()
        assert "8000" in command
        assert "s16" in command
