from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from benchmarks.load import Plan, Report, Run, loader
from benchmarks.processes import cpu_s, end, members, memory, tagged
from benchmarks.uploads import request_of


class Echo(BaseHTTPRequestHandler):
    """Answers with the length of the body; every second request of a connection is refused where `refusing` is set."""

    protocol_version = "HTTP/1.1"
    refusing = False
    chunked = False
    asked = 0
    slow_s = 0.0
    working: ClassVar[set[object]] = set()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked += 1
        if self.slow_s:
            self.working.add(self)
            time.sleep(self.slow_s)
            self.working.discard(self)
        if self.refusing and self.asked % 2:
            self.send_response(503)
            self.send_header("Retry-After", "0.05")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        answer = f'{{"length": {len(body)}}}'.encode()
        self.send_response(200 if self.path == "/right" else 404)
        if self.chunked:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer), answer))
        else:
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def echo(**settings: object) -> Iterator[int]:
    handler = type("Own", (Echo,), settings)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"x" * 100_000)
    return str(path)


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    with loader() as running:
        yield running


def plan(port: int, clip: str, path: str = "/right", **settings: object) -> Plan:
    return Plan(ports=[port], path=path, body="raw", clips=[clip], clients=2, seconds=1.5, warm_s=0.1, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("chunked", [False, True])
def test_clients_count_the_answers_of_the_window(run: Run, clip: str, chunked: bool) -> None:
    with echo(chunked=chunked) as port:
        report = run(plan(port, clip))
    assert report.answers > 0
    assert (report.errors, report.refused) == ({}, 0)
    assert report.answer == '{"length": 100000}'
    assert report.rate == report.answers / report.seconds
    assert 0 < report.percentile_ms(50) <= report.percentile_ms(99)


def test_other_statuses_are_errors(run: Run, clip: str) -> None:
    with echo() as port:
        report = run(plan(port, clip, "/wrong"))
    assert report.answers == 0
    assert set(report.errors) == {"404"}


def test_a_patient_client_waits_after_a_refusal_and_its_latency_says_so(run: Run, clip: str) -> None:
    with echo(refusing=True) as port:
        patient = run(plan(port, clip))
        impatient = run(plan(port, clip, patient=False))
    assert min(patient.latencies_s) >= 0.05
    assert patient.refused > 0
    assert impatient.answers > 0
    assert impatient.refused > 0


def test_no_request_is_left_for_the_next_window(run: Run, clip: str) -> None:
    with echo(slow_s=0.5) as port:
        report = run(plan(port, clip))
        assert Echo.working == set()
    assert report.errors == {}


def test_percentiles_are_of_what_was_answered() -> None:
    report = Report(2.0, [0.3, 0.1, 0.2], 0, {}, {"a": 0.3, "b": 0.6}, 0.0, "")
    assert [round(report.percentile_ms(percent)) for percent in (0, 50, 100)] == [100, 200, 300]
    assert report.cpu_ms() == pytest.approx(300)
    assert report.cpu_ms("a") == pytest.approx(100)


def test_a_body_is_what_a_browser_or_a_script_sends() -> None:
    form = request_of("/predict", "form", b"RIFF")
    assert b'name="file"; filename="clip.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--' in form
    assert request_of("/predict", "json", b"RIFF").endswith(b'{"instances": [{"b64": "UklGRg=="}]}')
    with pytest.raises(ValueError, match="not as 'xml'"):
        request_of("/predict", "xml", b"RIFF")


def test_processes_are_found_by_their_tag_with_those_that_they_started() -> None:
    tag = f"test-{os.getpid()}"
    child = "import subprocess, sys; print('up', flush=True); subprocess.run(['sleep', '60'])"
    with tagged(tag):
        process = subprocess.Popen([sys.executable, "-c", child], stdout=subprocess.PIPE)
    assert process.stdout
    assert process.stdout.readline() == b"up\n"
    while len(members(tag)) < 2:
        assert process.poll() is None
    assert cpu_s(tag) >= 0
    assert memory(tag).private > 1_000_000
    end(tag)
    process.wait(60)
    process.stdout.close()
    assert members(tag) == []
