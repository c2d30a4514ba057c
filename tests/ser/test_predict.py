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
from typer.testing import CliRunner

from ser.clips import find_clips
from ser.main import app
from speech_emotion.client import Client
from tests.ser.conftest import predict
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer
from tests.support.ports import free_port


def names(folder: Path) -> list[str]:
    return [clip.name for clip in find_clips([str(folder)])]


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


def test_answers_are_among_the_emotions_that_are_asked_for(service: Gateway, folder: Path) -> None:
    done = predict(service, folder, "--json", "--emotions", "happy,neutral")
    answered = [line for line in map(json.loads, done.stdout.splitlines()) if "error" not in line]
    assert answered
    assert {tuple(line["probabilities"]) for line in answered} == {("neutral", "happy")}
    done = predict(service, folder, "--json", "--emotions", "happy,hungry")
    assert (done.exit_code, "does not tell 'hungry' apart" in done.stderr) == (1, True)
    for asked in (["--emotions", "happy, neutral"], ["--emotions", "happy", "--emotions", "neutral"]):
        done = predict(service, folder, "--json", *asked)
        again = [line for line in map(json.loads, done.stdout.splitlines()) if "error" not in line]
        assert [line["probabilities"] for line in again] == [line["probabilities"] for line in answered]


@pytest.mark.parametrize("asked", ["", ",", "happy", "happy,", "happy,happy", "happy, happy"])
def test_names_that_are_no_choice_are_wrong_usage(service: Gateway, folder: Path, asked: str) -> None:
    done = predict(service, folder, "--emotions", asked)
    assert (done.exit_code, "two or more different emotions are needed" in " ".join(done.stderr.split())) == (2, True)


def test_more_at_once_than_the_service_holds_lose_no_file(service_models: ModelServer, folder: Path) -> None:
    clips = folder / "deeper"
    with Gateway(service_models.address, concurrency=1, queue=0, retry_after_s=8) as crowded:
        # A deadline before Retry-After leaves a client no retry of its own.
        done = predict(crowded, clips, "--json", "--jobs", "6", "--deadline-s", "7.5")
        refused = requests.get(f"{crowded.probes}/metrics", timeout=60).text
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == names(clips)
    assert 'shed_requests_total{reason="queue_full",route="/predict"} 0.0' not in refused


def test_a_url_is_taken_as_it_is_meant(service: Gateway, folder: Path) -> None:
    clip = str(folder / "deeper" / "00-calm-0.wav")
    for url in (service.url.removeprefix("http://"), f"{service.url}/predict"):
        assert CliRunner().invoke(app, ["predict", clip, "--url", url]).exit_code == 0


def test_a_url_may_have_a_path(below_a_path: str, folder: Path) -> None:
    clip = str(folder / "deeper" / "00-calm-0.wav")
    for url in (below_a_path, f"{below_a_path}/", f"{below_a_path}/predict"):
        done = CliRunner().invoke(app, ["predict", clip, "--url", url, "--model", "edge", "--json"])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["model"]["name"] == "edge"


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


def test_exit_codes_say_what_went_wrong(folder: Path, tmp_path: Path) -> None:
    runner, away = CliRunner(), f"http://127.0.0.1:{free_port()}"
    done = runner.invoke(app, ["predict", str(folder), "--url", away, "--deadline-s", "10"])
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
    app(["predict", {__file__!r}, "--url", "http://127.0.0.1:{free_port()}", "--deadline-s", "10"])
except SystemExit as done:
    assert done.code == 3, done.code
print({{"numpy", "tensorflow", "scipy", "soundfile", "flask", "grpc"}} & sys.modules.keys())
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=120, capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr
