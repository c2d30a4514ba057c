"""What happens to open streams when a gateway stops, a model server dies, and a version is replaced."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest

from speech_emotion.client import Client, End, LiveWindow
from speech_emotion.features import SEED_SPEC, FeatureSpec
from tests.preprocess_gateway.conftest import CONFIG, FLAGS, LABELS
from tests.preprocess_gateway.http.live.conftest import RATE, all_messages, closed_with, pcm, speak, stream
from tests.support import clips, savedmodels
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer


def test_a_gateway_that_stops_closes_streams_with_1012_and_says_where_to_go_on(model_server: ModelServer) -> None:
    with Gateway(model_server.address, drain_s=1) as gateway:
        assert gateway.process
        # A stream waits for its next window for as long as its stride and a second: this one has time.
        start = {"sample_rate": RATE, "stride_s": 6.0}
        with stream(gateway, {"sample_rate": RATE}) as idle, stream(gateway, start) as live:
            speak(live, pcm(10))
            assert [json.loads(live.recv(timeout=60))["type"] for _ in range(3)] == ["ready", "window", "now"]
            assert json.loads(idle.recv())["type"] == "ready"
            gateway.process.terminate()
            assert closed_with(idle)[:2] == (1012, "shutting_down")
            speak(live, pcm(3))
            *windows, error = all_messages(live)
        assert (live.close_code, error["code"]) == (1012, "shutting_down")
        answered = [each["start_s"] for each in windows if each["type"] == "window"]
        assert answered == pytest.approx([6.0], abs=0.1)
        assert error["resume_s"] == pytest.approx(answered[-1] + 6.0, abs=0.01)
        assert gateway.process.wait(60) == 0


def test_a_stream_without_sound_holds_up_no_exit(model_server: ModelServer) -> None:
    with Gateway(model_server.address, grace_s=120) as gateway:
        assert gateway.process
        with stream(gateway, {"sample_rate": RATE}) as ws:
            speak(ws, pcm(1))
            ws.recv()
            begun = time.monotonic()
            gateway.process.terminate()
            assert closed_with(ws)[:2] == (1012, "shutting_down")
            assert gateway.process.wait(60) == 0
        assert time.monotonic() - begun < 60  # it would be given 120


def test_our_client_goes_on_at_the_next_gateway_and_misses_no_window(model_server: ModelServer) -> None:
    with Gateway(model_server.address, drain_s=0) as gateway:
        assert gateway.process

        def restart() -> None:
            assert gateway.process
            assert gateway.process.wait(60) == 0
            gateway.start()

        with (
            Client(gateway.url, deadline_s=60, retries=60) as client,
            ThreadPoolExecutor(1) as pool,
            stream(gateway, {"sample_rate": RATE}) as idle,
            client.stream(sample_rate=RATE) as heard,
        ):
            heard.send(pcm(10))
            windows = []
            while len(windows) < 2:
                event = next(iter(heard))
                windows += [event] if isinstance(event, LiveWindow) else []
            gateway.process.terminate()
            assert closed_with(idle)[0] == 1012  # what is sent from now on meets a gateway that stops
            restarted = pool.submit(restart)
            for _ in range(10):
                heard.send(pcm(0.5))
                time.sleep(0.1)
            heard.finish()
            events = list(heard)
            restarted.result()
    windows += [event for event in events if isinstance(event, LiveWindow)]
    starts = [window.start_s for window in windows]
    assert starts[:3] == pytest.approx([0.0, 3.0, 6.0], abs=0.1)
    assert starts == sorted(starts)
    assert max(b - a for a, b in pairwise(starts)) <= 3.1
    assert windows[-1].end_s == pytest.approx(15.0, abs=0.1)
    end = events[-1]
    assert isinstance(end, End)
    assert end.since_s > 0


def test_a_model_server_that_dies_for_a_moment_costs_no_window(store: Path) -> None:
    with (
        ModelServer(*FLAGS, config_file=store / "models.config") as server,
        Gateway(server.address, window_deadline_s=120) as gateway,
        stream(gateway, {"sample_rate": RATE}) as ws,
    ):
        speak(ws, pcm(7))
        assert [json.loads(ws.recv(timeout=60))["type"] for _ in range(3)] == ["ready", "window", "now"]
        server.kill()
        speak(ws, pcm(3))
        with ModelServer(*FLAGS, config_file=store / "models.config", port=server.port):
            ws.send('{"type": "finish"}')
            messages = all_messages(ws)
    assert [each["type"] for each in messages][-1] == "end", messages
    assert ws.close_code == 1000


def test_a_model_server_that_stays_away_ends_the_stream_with_a_word(store: Path) -> None:
    with (
        ModelServer(*FLAGS, config_file=store / "models.config") as server,
        Gateway(server.address, window_deadline_s=8) as gateway,
        stream(gateway, {"sample_rate": RATE}) as ws,
    ):
        speak(ws, pcm(7))
        assert [json.loads(ws.recv(timeout=60))["type"] for _ in range(3)] == ["ready", "window", "now"]
        server.kill()
        begun = time.monotonic()
        speak(ws, pcm(3))
        code, name, error = closed_with(ws)
    assert (code, name) == (1013, "model_unavailable")
    assert error["resume_s"] == pytest.approx(3.0, abs=0.1)
    assert time.monotonic() - begun < 60


def moved(tmp_path: Path, store: Path, spec: FeatureSpec) -> tuple[Path, str]:
    """A configuration whose stable label is version 1, and a text that moves it to a version 3 with `spec`."""
    savedmodels.write_linear(tmp_path / "speech_emotion" / "3", spec.to_json(), LABELS, seed=3, bins=spec.bins)
    (tmp_path / "speech_emotion" / "1").symlink_to(store / "speech_emotion" / "1")
    (tmp_path / "models.config").write_text(CONFIG.format(base=tmp_path / "speech_emotion", stable=1))
    return tmp_path / "models.config", CONFIG.format(base=tmp_path / "speech_emotion", stable=3)


def test_a_stream_keeps_its_version_and_goes_on_when_the_label_moves(tmp_path: Path, store: Path) -> None:
    config, later = moved(tmp_path, store, SEED_SPEC)
    with (
        ModelServer(*FLAGS, config_file=config) as server,
        Gateway(server.address, stream_idle_s=200) as gateway,
        stream(gateway, {"sample_rate": RATE}) as ws,
    ):
        assert json.loads(ws.recv())["model"]["version"] == 1
        speak(ws, pcm(7))
        config.write_text(later)
        gateway.seconds_until_version(3, clips.tone())
        speak(ws, pcm(3))
        ws.send('{"type": "finish"}')
        end = all_messages(ws)[-1]
    assert (end["type"], end["summary"]["model"]["version"]) == ("end", 1)
