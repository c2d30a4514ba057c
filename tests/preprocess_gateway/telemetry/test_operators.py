"""What operators see: metrics, several workers, log lines."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.support import clips
from tests.support.gateway import COMMAND, Gateway
from tests.support.load import post_raw, run_load
from tests.support.memory import family
from tests.support.model_server import ModelServer
from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[3]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def scrape(gateway: Gateway) -> str:
    return requests.get(f"{gateway.probes}/metrics", timeout=60).text


def value(gateway: Gateway, series: str) -> float:
    [found] = [line for line in scrape(gateway).splitlines() if line.startswith(series + " ")]
    return float(found.split()[-1])


def test_the_scrape_and_the_page_name_the_same_metrics(gateway: Gateway) -> None:
    for clip in (clips.tone(), clips.silence(), clips.tone(rate=8_000)):  # an emotion, none, a warning
        assert gateway.predict(clip).status_code == 200
    table = (ROOT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(speech_emotion_\w+)(?:\{[^`]*\})?` \|", table, re.MULTILINE))
    gateways = {name for name in documented if not name.startswith("speech_emotion_store_")}
    assert set(re.findall(r"^# TYPE (speech_emotion_\w+) \w+$", scrape(gateway), re.MULTILINE)) == gateways


def test_series_with_known_labels_are_there_from_the_start(model_server: ModelServer) -> None:
    with Gateway(model_server.address) as gateway:
        for series in (
            'speech_emotion_shed_requests_total{reason="queue_full",route="/predict"}',
            'speech_emotion_stage_duration_seconds_count{stage="serving"}',
            "speech_emotion_retries_total",
            'speech_emotion_canary_fallbacks_total{model="speech_emotion"}',
            'speech_emotion_shadow_comparisons_total{model="speech_emotion",outcome="disagree"}',
            'speech_emotion_observations_total{observer="shadow",outcome="dropped"}',
            "speech_emotion_requests_in_progress",
        ):
            assert value(gateway, series) == 0


def test_several_workers_count_together_and_outlive_one_that_dies(tmp_path: Path, model_server: ModelServer) -> None:
    answered = 'speech_emotion_requests_total{route="/predict",status="200"}'
    stale = tmp_path / "counter_1.db"
    stale.write_bytes(b"left by a process that was killed")
    # Four clients may meet in one worker, where two of them wait.
    with Gateway(model_server.address, workers=2, queue=2, queue_s=60, metrics_dir=tmp_path) as gateway:
        assert not stale.exists()
        until(lambda: len(gateway.workers) == 2)
        send = post_raw(f"{gateway.url}/predict", clips.tone())
        report = run_load(send, clients=4, requests_total=40, seconds=300)
        assert report.counts == {200: 40}
        assert value(gateway, answered) == 40
        victim = min(before := gateway.workers)
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(now := gateway.workers) == 2 and now != before)
        until(lambda: f"gauge_livesum_{victim}.db" not in {file.name for file in tmp_path.iterdir()})
        assert run_load(send, clients=2, requests_total=10, seconds=300).failed == []
        assert value(gateway, answered) == 50  # what the dead one counted is kept
        assert value(gateway, "speech_emotion_requests_in_progress") == 0
    assert list(tmp_path.iterdir()) == []


def test_figures_lie_in_shared_memory_and_leave_nothing(model_server: ModelServer) -> None:
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        pytest.skip("no shared memory")
    before = set(shared.glob("gateway-metrics-*"))
    with Gateway(model_server.address) as gateway:
        (own,) = set(shared.glob("gateway-metrics-*")) - before
        assert any(f"{own}/counter_" in Path(f"/proc/{pid}/maps").read_text() for pid in gateway.workers)
    assert set(shared.glob("gateway-metrics-*")) == before


def test_a_gateway_that_cannot_start_leaves_the_figures_of_the_one_that_runs(
    tmp_path: Path, model_server: ModelServer
) -> None:
    with Gateway(model_server.address, metrics_dir=tmp_path) as gateway:
        assert gateway.predict(clips.tone()).status_code == 200
        variables = {
            "GATEWAY_PORT": gateway.port,
            "GATEWAY_METRICS_DIR": tmp_path,
            "GATEWAY_MODEL_SERVER": "127.0.0.1:1",
        }
        environment = {**os.environ, **{name: str(value) for name, value in variables.items()}}
        second = subprocess.run(
            [sys.executable, *COMMAND], env=environment, capture_output=True, text=True, timeout=120
        )
        assert (second.returncode, "set GATEWAY_PORT" in second.stderr + second.stdout) == (1, True)
        assert value(gateway, 'speech_emotion_requests_total{route="/predict",status="200"}') == 1


def test_a_folder_with_a_database_of_somebody_else_is_refused_and_stays(tmp_path: Path) -> None:
    (other := tmp_path / "mine.db").write_bytes(b"not a figure")
    ports = {"GATEWAY_PORT": free_port(), "GATEWAY_PROBE_PORT": free_port(), "GATEWAY_METRICS_DIR": tmp_path}
    environment = {**os.environ, **{name: str(value) for name, value in ports.items()}}
    done = subprocess.run([sys.executable, *COMMAND], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "mine.db" in done.stderr
    assert "set GATEWAY_METRICS_DIR" in done.stderr
    assert other.read_bytes() == b"not a figure"


def test_decoders_that_die_are_replaced_and_counted(model_server: ModelServer) -> None:
    restarts = "speech_emotion_decoder_restarts_total"
    with Gateway(model_server.address, decoders=1) as gateway:
        [decoder] = decoders(gateway)
        assert value(gateway, restarts) == 0
        for died in (1, 2):
            os.kill(decoder, signal.SIGKILL)
            until(lambda: Path(f"/proc/{decoder}/stat").read_text().split()[2] == "Z")  # noqa: B023
            assert gateway.predict(clips.tone(format="FLAC")).status_code == 200
            assert value(gateway, restarts) == died
            [decoder] = decoders(gateway)


def decoders(gateway: Gateway) -> list[int]:
    """The processes that its one worker has started."""
    [worker] = gateway.workers
    return family(worker)[1:]


def lines(gateway: Gateway) -> list[dict[str, object]]:
    """What is in the log; of a line that is being written, nothing."""
    return [json.loads(line) for line in gateway.log.splitlines(keepends=True) if line.endswith("\n")]


def test_log_lines_are_json_with_the_ids_of_their_request(gateway: Gateway) -> None:
    headers = {
        "Content-Type": "audio/wav",
        "X-Request-ID": "order-66",
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    }
    response = requests.post(f"{gateway.url}/predict", data=clips.tone(), headers=headers, timeout=30)
    assert response.headers["X-Request-ID"] == response.json()["request_id"] == "order-66"
    until(lambda: any(line.get("request_id") == "order-66" for line in lines(gateway)))
    [line] = [line for line in lines(gateway) if line.get("request_id") == "order-66"]
    assert line["trace_id"] == TRACE
    assert line["span_id"] != "00f067aa0ba902b7"
    assert (line["method"], line["route"], line["status"], line["level"]) == ("POST", "/predict", 200, "INFO")
    assert {line["logger"] for line in lines(gateway)} >= {"gunicorn.error", "preprocess_gateway.http.app"}


@pytest.mark.parametrize(
    ("header", "forged"),
    [
        ("X-Request-ID", '"} {"level": "FATAL'),
        ("X-Request-ID", "x" * 65),
        ("traceparent", f"00-{'0' * 32}-00f067aa0ba902b7-01"),
        ("traceparent", '"} {"level": "FATAL'),
    ],
)
def test_ids_that_are_none_are_replaced(gateway: Gateway, header: str, forged: str) -> None:
    headers = {"Content-Type": "audio/wav", header: forged}
    response = requests.post(f"{gateway.url}/predict", data=clips.tone(), headers=headers, timeout=30)
    made = response.json()["request_id"]
    assert re.fullmatch(r"[0-9a-f]{32}", made)
    until(lambda: any(line.get("request_id") == made for line in lines(gateway)))
    [line] = [line for line in lines(gateway) if line.get("request_id") == made]
    assert "FATAL" not in gateway.log
    assert re.fullmatch(r"(?!0{32})[0-9a-f]{32}", str(line["trace_id"]))


def test_audio_and_paths_of_strangers_stay_out_of_the_log(gateway: Gateway) -> None:
    clip = clips.tone()
    requests.post(f"{gateway.url}/predict", data=clip, headers={"Content-Type": "audio/wav"}, timeout=30)
    missing = requests.get(f"{gateway.url}/a%0aforged-line?secret=1", timeout=60)
    assert missing.status_code == 404
    until(lambda: any(line.get("request_id") == missing.headers["X-Request-ID"] for line in lines(gateway)))
    assert "forged-line" not in gateway.log
    assert clip[44:60].hex() not in gateway.log
    assert 'route="other"' in scrape(gateway)


def test_text_lines_carry_the_same_fields(model_server: ModelServer) -> None:
    with Gateway(model_server.address, log_format="text") as gateway:
        made = gateway.predict(clips.tone()).json()["request_id"]
        until(lambda: made in gateway.log)
        [line] = [line for line in gateway.log.splitlines() if made in line]
    assert "method=POST route=/predict status=200" in line
