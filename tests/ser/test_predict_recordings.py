"""`ser predict` with long recordings: the same formats and files as for clips, and captions."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from rich.console import Console
from rich.progress import Progress
from typer.testing import CliRunner

from ser.clips import Clip
from ser.main import app
from ser.outcomes import RECORDING_TRIES, AskOptions, predict_all
from ser.output import Bars
from speech_emotion.client import Client
from tests.speech_emotion.client.test_client import BUSY, scripted
from tests.speech_emotion.client.test_recordings import PROBLEM, PROGRESS, SUMMARY, WINDOW, said
from tests.support import clips
from tests.support.gateway import Gateway


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that is longer than a clip may be, one with two sides, a clip, and one that breaks off."""
    path = tmp_path_factory.mktemp("recordings")
    (path / "clip.wav").write_bytes(clips.tone(3.0))
    (path / "long.flac").write_bytes(clips.tone(75.0, format="FLAC"))
    wave = clips.speech_like(70.0, 8_000)
    (path / "sides.flac").write_bytes(clips.encode(np.stack([wave, 0 * wave], axis=1), 8_000, "FLAC"))
    broken = clips.speech_like(80.0)
    broken[70 * clips.RATE :] = np.nan
    (path / "zz-broken.wav").write_bytes(clips.encode(broken, subtype="FLOAT"))
    return path


def predict(gateway: Gateway, *arguments: object) -> Result:
    return CliRunner().invoke(app, ["predict", "--url", gateway.url, *map(str, arguments)])


def test_long_and_short_files_are_answered_side_by_side(service: Gateway, folder: Path) -> None:
    done = predict(service, folder, "--format", "json", "--timeline")
    assert done.exit_code == 1, done.output
    clip, long, sides, broken = map(json.loads, done.stdout.splitlines())
    assert "segments" not in clip
    assert (long["audio"]["duration_s"], long["timeline"][-1]["end_s"]) == (75, 75)
    assert long["segments"][-1]["end_s"] == 75
    assert sides["emotion"] is not None
    assert broken["error"]["code"] == "non_finite_audio"
    assert len(broken["timeline"]) > 10
    shown = predict(service, folder / "long.flac")
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert str(long["emotion"]) in shown.stdout


def test_a_run_over_recordings_goes_on_where_it_ended(service: Gateway, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "answers.csv"
    files = [folder / name for name in ("clip.wav", "long.flac", "sides.flac")]
    assert predict(service, *files, "--channels", "separate", "-o", output).exit_code == 0
    rows = list(csv.DictReader(output.read_text().splitlines()))
    assert [(Path(row["file"]).name, row["channel"]) for row in rows] == [
        ("clip.wav", "1"), ("long.flac", "1"), ("sides.flac", "1"), ("sides.flac", "2"),
    ]  # fmt: skip
    assert (rows[-1]["reason"], rows[-1]["duration_s"]) == ("no_speech", "70.0")
    again = predict(service, *files, "--channels", "separate", "-o", output)
    # The last clip is asked again, as nothing says whether all its channels are there.
    assert (again.exit_code, "2 of 3 clips are in" in again.stderr) == (0, True)
    asked_again = list(csv.DictReader(output.read_text().splitlines()))
    assert [(row["file"], row["channel"]) for row in asked_again] == [(row["file"], row["channel"]) for row in rows]


def test_captions_of_one_file_are_printed_and_those_of_several_fill_a_folder(
    service: Gateway, folder: Path, tmp_path: Path
) -> None:
    done = predict(service, folder / "clip.wav", "--format", "vtt")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n")
    assert predict(service, folder, "--format", "vtt").exit_code == 2
    arguments = (folder, "--format", "vtt", "--channels", "separate", "-o", tmp_path / "captions")
    done = predict(service, *arguments)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "zz-broken.wav: non_finite_audio" in done.stderr
    found = {path.name: path.read_text() for path in (tmp_path / "captions").iterdir()}
    assert set(found) == {"clip.wav.vtt", "long.flac.vtt", "sides.flac.vtt"}
    assert "<v Channel 1>" in found["sides.flac.vtt"]
    assert "<v Channel 2>" not in found["sides.flac.vtt"]
    again = predict(service, *arguments)
    assert "3 of 4 clips are in" in again.stderr


def test_formats_that_contradict_each_other_are_refused(folder: Path, tmp_path: Path) -> None:
    clip = folder / "clip.wav"
    for arguments in (("--format", "csv", "--json"), ("--json", "--csv"), ("--format", "xml")):
        assert CliRunner().invoke(app, ["predict", str(clip), *arguments]).exit_code == 2
    (tmp_path / "a.wav").write_bytes(clip.read_bytes())
    named = ["predict", str(clip), str(tmp_path / ".." / tmp_path.name / "a.wav"), str(tmp_path / "a.wav")]
    done = CliRunner().invoke(app, [*named, "--format", "vtt", "-o", str(tmp_path / "out")])
    assert (done.exit_code, "the same name" in done.stderr) == (2, True)
    (tmp_path / "file").touch()
    done = CliRunner().invoke(app, [*named[:2], "--format", "vtt", "-o", str(tmp_path / "file")])
    assert (done.exit_code, "cannot be written" in done.stderr) == (2, True)


def test_the_long_way_is_taken_only_where_the_service_asks_for_it(service: Gateway, folder: Path) -> None:
    done = predict(service, folder / "long.flac", "--max-bytes", 10)
    assert done.exit_code == 1
    assert "body_too_large" in done.stdout
    done = predict(service, folder / "clip.wav", "--format", "json")
    assert "segments" not in json.loads(done.stdout)


def test_a_recording_whose_gateway_is_stopped_is_sent_again(tmp_path: Path) -> None:
    (path := tmp_path / "clip.wav").write_bytes(clips.tone(1.0))
    clip = Clip(str(path), path.name)
    heard: list[float] = []
    for stopped, answered in ((2, True), (RECORDING_TRIES, False)):
        transport, seen = scripted(*[said(PROGRESS, WINDOW, PROBLEM)] * stopped, said(PROGRESS, WINDOW, SUMMARY))
        with Client(transport=transport) as client:
            options = AskOptions(as_recordings=True, timeline=True)
            (outcome,) = predict_all(client, [clip], options, lambda _clip, at_s, _of_s: heard.append(at_s))
        assert (outcome.answer is not None, len(outcome.windows)) == (answered, 1)
        sizes = {len(request.content) for _, request in seen}
        assert len(sizes) == 1
    assert heard == [4] * (3 + RECORDING_TRIES)


def test_a_recording_that_is_turned_away_is_sent_again_whole(tmp_path: Path) -> None:
    (path := tmp_path / "clip.wav").write_bytes(clips.tone(1.0))
    transport, seen = scripted(BUSY, BUSY, said(PROGRESS, WINDOW, SUMMARY))
    with Client(transport=transport, retries=0) as client:
        options = AskOptions(as_recordings=True, jobs=3)
        (outcome,) = predict_all(client, [Clip(str(path), path.name)], options)
    assert outcome.answer is not None
    assert [len(request.content) for _, request in seen] == [len(seen[0][1].content)] * 3


def test_each_recording_has_a_bar_for_as_long_as_it_is_heard() -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=100)
    with Progress(console=console, auto_refresh=False) as progress:
        bars = Bars(progress, "predicting", 2)
        bars.show("call [1].m4a", 30.0, 60.0)
        progress.refresh()
        assert "call [1].m4a" in shown.getvalue()
        assert "50%" in shown.getvalue()
        bars.done("call [1].m4a")
        bars.done("short.wav")
        assert [task.description for task in progress.tasks] == ["predicting"]
        assert progress.finished
