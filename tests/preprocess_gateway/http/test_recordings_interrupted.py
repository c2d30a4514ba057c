"""Recordings that are interrupted: by their client, by the end of the worker, by the model server."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from speech_emotion.features import SEED_SPEC
from tests.preprocess_gateway.conftest import CONFIG, FLAGS, LABELS
from tests.support import clips, savedmodels
from tests.support.gateway import Gateway
from tests.support.memory import family
from tests.support.model_server import ModelServer
from tests.support.waiting import until

LONG = clips.tone(600.0, 8_000, format="FLAC")  # 200 windows
HEADERS = {"Content-Type": "audio/flac"}


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    """A model that takes a second for every call: a hundred for all windows of LONG."""
    folder = tmp_path_factory.mktemp("slow")
    savedmodels.write_slow(folder / "speech_emotion" / "1", SEED_SPEC.to_json(), LABELS, seconds=1.0)
    (folder / "models.config").write_text(CONFIG.format(base=folder / "speech_emotion", stable=1))
    with ModelServer(*FLAGS, config_file=folder / "models.config") as server:
        yield server


@pytest.fixture(scope="module")
def one_at_a_time(slow_server: ModelServer) -> Iterator[Gateway]:
    with Gateway(slow_server.address, max_recordings=1, lane_batch=2, progress_s=0.1) as gateway:
        yield gateway


def begin(gateway: Gateway, accept: str = "application/x-ndjson") -> requests.Response:
    return requests.post(
        f"{gateway.url}/v1/recordings", data=LONG, headers={**HEADERS, "Accept": accept}, stream=True, timeout=60
    )


def read_until(lines: Iterator[Any], wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    seen = []
    for line in lines:
        seen.append(json.loads(line))
        if wanted(seen[-1]):
            return seen
    raise AssertionError(seen)


def figure(gateway: Gateway, name: str) -> float:
    text = requests.get(f"{gateway.probes}/metrics", timeout=60).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.rpartition(" ")[0] == name)


def decoders(gateway: Gateway) -> list[int]:
    """The decoder processes of recordings, which the worker starts to stand back for others."""
    found = []
    for worker in gateway.workers:
        for child in family(worker):
            with suppress(OSError):  # it has ended
                if b'"niceness": 10' in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.append(child)
    return found


def test_progress_is_told_while_no_window_is_known(one_at_a_time: Gateway) -> None:
    with begin(one_at_a_time) as response:
        seen = read_until(response.iter_lines(), lambda line: line["type"] == "window")
    assert [line["type"] for line in seen[:-1]] == ["progress"] * (len(seen) - 1)
    assert len(seen) > 2  # the model takes three times as long as the pause between two lines
    assert seen[0]["duration_s"] == 600


@pytest.mark.parametrize("accept", ["application/x-ndjson", "application/json"])
def test_a_client_that_goes_away_frees_everything(one_at_a_time: Gateway, accept: str) -> None:
    gateway = one_at_a_time
    ended = 'speech_emotion_recordings_total{outcome="client_gone"}'
    until(lambda: figure(gateway, "speech_emotion_recordings_in_progress") == 0)
    before = figure(gateway, ended)
    if accept == "application/json":
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"{gateway.url}/v1/recordings", data=LONG, headers={**HEADERS, "Accept": accept}, timeout=(10, 1.5)
            )
    else:
        response = begin(gateway, accept)
        read_until(response.iter_lines(), lambda line: line["type"] == "window")
        assert len(decoders(gateway)) == 1
        busy = requests.post(f"{gateway.url}/v1/recordings", data=LONG, headers=HEADERS, timeout=60)
        assert (busy.status_code, busy.json()["code"]) == (503, "overloaded")
        assert "Retry-After" in busy.headers
        response.close()
    gone = time.monotonic()
    until(lambda: figure(gateway, ended) == before + 1)
    until(lambda: figure(gateway, "speech_emotion_recordings_in_progress") == 0)
    assert time.monotonic() - gone < 40  # a second is what is promised, on a machine that does nothing else
    assert decoders(gateway) == []
    with begin(gateway) as again:
        assert again.status_code == 200


def test_a_client_that_leaves_before_the_first_line_is_no_fault_of_the_gateway(one_at_a_time: Gateway) -> None:
    gateway = one_at_a_time
    until(lambda: figure(gateway, "speech_emotion_recordings_in_progress") == 0)
    ended = 'speech_emotion_recordings_total{outcome="client_gone"}'
    before = figure(gateway, ended)
    head = f"POST /v1/recordings HTTP/1.1\r\nHost: g\r\nContent-Type: audio/flac\r\nContent-Length: {len(LONG)}\r\n\r\n"
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=60) as client:
            client.sendall(head.encode() + LONG)
        until(lambda: figure(gateway, "speech_emotion_recordings_in_progress") == 0)
    assert figure(gateway, ended) == before + 3
    assert figure(gateway, 'speech_emotion_requests_total{route="/v1/recordings",status="500"}') == 0


def test_a_recording_under_way_is_told_when_the_worker_ends(slow_server: ModelServer) -> None:
    with Gateway(slow_server.address, lane_batch=2, progress_s=0.2, grace_s=3) as gateway:
        assert gateway.process
        with begin(gateway) as response:
            lines = response.iter_lines()
            read_until(lines, lambda line: line["type"] == "window")
            gateway.process.terminate()
            seen = read_until(lines, lambda line: line["type"] in ("problem", "summary"))
            assert (seen[-1]["code"], seen[-1]["status"]) == ("shutting_down", 503)
            assert any(line["type"] == "window" for line in seen)  # it went on for as long as it could
            assert list(lines) == []
        assert gateway.process.wait(60) == 0


def test_a_model_server_that_is_killed_is_asked_until_the_windows_deadline(store: Path) -> None:
    with (
        ModelServer(*FLAGS, config_file=store / "models.config") as server,
        Gateway(server.address, lane_batch=2, progress_s=0.2, window_deadline_s=6) as gateway,
    ):
        sent = requests.Session()

        def body() -> Iterator[bytes]:
            """All of the recording; nothing is known of it before its end is here."""
            yield LONG

        server.kill()
        begun = time.monotonic()
        with sent.post(
            f"{gateway.url}/v1/recordings", data=body(), headers=HEADERS, stream=True, timeout=60
        ) as response:
            *_, last = (json.loads(line) for line in response.iter_lines())
        assert time.monotonic() - begun > 5
        assert (last["type"], last["code"], last["status"]) == ("problem", "model_unavailable", 503)
        with ModelServer(*FLAGS, config_file=store / "models.config", port=server.port):
            until(lambda: gateway.predict(clips.tone()).status_code == 200)  # it has found the server again
            response = requests.post(f"{gateway.url}/v1/recordings", data=LONG, headers=HEADERS, timeout=60)
            assert json.loads(response.text.splitlines()[-1])["type"] == "summary"
