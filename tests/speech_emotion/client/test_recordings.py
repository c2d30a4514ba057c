"""Recordings through the client: against the real service, and against broken answers."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

import anyio
import httpx
import numpy as np
import pytest

from speech_emotion.client import (
    AsyncClient,
    Client,
    ClipTooLargeError,
    ProblemError,
    ProtocolError,
    RecordingError,
    RecordingWindow,
    TimeoutExceededError,
    UnreachableError,
)
from tests.speech_emotion.client.test_client import BUSY, scripted
from tests.support import clips
from tests.support.gateway import Gateway

RATE = clips.RATE
ASKED = ("neutral", "calm", "happy")
WINDOW = {
    "type": "window", "start_s": 0, "end_s": 4, "emotion": "calm", "confidence": 0.75, "probabilities": {"calm": 0.75},
    "uncertain": False, "of_a_later_version": 1,
}  # fmt: skip
PROGRESS = {"type": "progress", "heard_s": 1.5, "duration_s": 4.0}
SUMMARY = {
    "type": "summary", "emotion": "calm", "confidence": 0.75, "probabilities": {"calm": 0.75}, "uncertain": False,
    "warnings": ["damaged"], "windows": 1, "time_share": {"calm": 1.0}, "no_speech_share": 0.0,
    "segments": [{"start_s": 0, "end_s": 4, "emotion": "calm", "confidence": 0.75, "uncertain": False}],
    "model": {"name": "speech_emotion", "version": 3, "label": "stable"},
    "audio": {"duration_s": 4.0, "sample_rate": 16_000, "channels": 1, "format": "WAV"}, "request_id": "abc",
}  # fmt: skip
PROBLEM = {"type": "problem", "status": 503, "code": "shutting_down", "detail": "ask again", "request_id": "abc"}


def said(*lines: dict[str, object]) -> httpx.Response:
    return httpx.Response(200, content="".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that is longer than a clip may be."""
    path = tmp_path_factory.mktemp("recordings") / "long.flac"
    path.write_bytes(clips.tone(75.0, format="FLAC"))
    return path


def test_windows_come_one_by_one_and_the_summary_last(service: Gateway, long: Path) -> None:
    with Client(service.url) as client, client.recording(long, emotions=ASKED) as recording:
        with pytest.raises(RuntimeError, match="iterate"):
            _ = recording.summary
        first = next(iter(recording))
        assert (first.start_s, first.channel) == (0, None)
        assert recording.duration_s == 75
        rest = list(recording)
    assert recording.windows == (first, *rest)
    assert (recording.heard_s, rest[-1].end_s) == (75, 75)
    summary = recording.summary
    assert (summary.windows, summary.audio.duration_s) == (len(recording.windows), 75)
    assert summary.segments[-1].end_s == 75
    assert tuple(summary.probabilities or ()) == ASKED


def test_every_kind_of_source_is_heard_alike(service: Gateway, tmp_path: Path) -> None:
    samples = np.stack([clips.speech_like(9.0), 0 * clips.speech_like(9.0)], axis=1)
    data = clips.encode(samples, RATE, subtype="FLOAT")
    (path := tmp_path / "call.wav").write_bytes(data)
    os.mkfifo(pipe := tmp_path / "pipe.wav")
    threading.Thread(target=pipe.write_bytes, args=(data,), daemon=True).start()
    found = []
    with Client(service.url) as client:
        for source, rate in ((path, None), (data, None), (io.BytesIO(data), None), (pipe, None), (samples, RATE)):
            with client.recording(source, sample_rate=rate, channels="separate", model="edge") as recording:
                found.append(list(recording))
            assert recording.summary.model.name == "edge"
            assert [channel.reason for channel in recording.summary.channels] == [None, "no_speech"]
    assert {window.channel for window in found[0]} == {1, 2}
    for other in found[1:]:
        assert [(window.start_s, window.emotion) for window in other] == [
            (window.start_s, window.emotion) for window in found[0]
        ]


def test_the_asynchronous_client_does_the_same(service: Gateway, long: Path) -> None:
    async def ask() -> tuple[list[RecordingWindow], int]:
        async with AsyncClient(service.url) as client, client.recording(long) as recording:
            return [window async for window in recording], recording.summary.windows

    windows, count = anyio.run(ask)
    with Client(service.url) as client, client.recording(long) as recording:
        assert list(recording) == windows
    assert count == len(windows)


def test_what_was_heard_before_an_error_is_kept(service: Gateway) -> None:
    wave = clips.speech_like(40.0)
    wave[30 * RATE :] = np.nan
    data = clips.encode(wave, subtype="FLOAT")
    with Client(service.url) as client, client.recording(data) as recording, pytest.raises(RecordingError) as caught:
        list(recording)
    error = caught.value
    assert (error.status, error.code) == (422, "non_finite_audio")
    assert error.windows == recording.windows
    assert len(error.windows) > 3


def test_errors_before_the_first_line_are_those_of_a_clip(service: Gateway, tmp_path: Path) -> None:
    with Client(service.url) as client:
        with pytest.raises(ProblemError) as caught, client.recording(b"no audio"):
            pass
        assert (caught.value.status, caught.value.code) == (415, "unsupported_format")
        (path := tmp_path / "large.wav").write_bytes(bytes(2000))
        for source in (path, io.BytesIO(bytes(2000)), bytes(2000)):
            with pytest.raises(ClipTooLargeError), client.recording(source, max_bytes=1999):
                pass
        with pytest.raises(FileNotFoundError), client.recording(tmp_path / "none.wav"):
            pass
        with pytest.raises(ValueError, match="sample_rate"), client.recording(path, sample_rate=8_000):
            pass


def test_a_busy_service_is_asked_again_from_the_files_start(long: Path) -> None:
    transport, seen = scripted(BUSY, said(PROGRESS, WINDOW, SUMMARY))
    with Client(transport=transport) as client, client.recording(long) as recording:
        assert [window.emotion for window in recording] == ["calm"]
    assert [len(request.content) for _, request in seen] == [len(seen[0][1].content)] * 2
    assert len(seen[0][1].content) > long.stat().st_size
    assert (recording.duration_s, recording.summary.warnings) == (4.0, ("damaged",))
    assert seen[0][1].headers["Accept"] == "application/x-ndjson"


@pytest.mark.parametrize(("lines", "error"), [
    ([PROGRESS, WINDOW], UnreachableError), ([], UnreachableError), ([{"no": "type"}], ProtocolError),
    ([{"type": "window"}], ProtocolError), ([WINDOW, PROBLEM], RecordingError),
])  # fmt: skip
def test_an_answer_that_breaks_off_is_an_error(lines: list[dict[str, object]], error: type[Exception]) -> None:
    transport, _ = scripted(said(*lines))
    with Client(transport=transport) as client, client.recording(b"x") as recording, pytest.raises(error):
        list(recording)


def test_a_line_of_another_kind_is_passed_over() -> None:
    transport, _ = scripted(said({"type": "of_a_later_version"}, WINDOW, SUMMARY))
    with Client(transport=transport) as client, client.recording(b"x") as recording:
        assert len(list(recording)) == 1


def test_silence_of_the_service_is_a_timeout() -> None:
    transport, _ = scripted(httpx.ReadTimeout("late"))
    late = pytest.raises(TimeoutExceededError, match="within 1 s")
    with Client(transport=transport, deadline_s=1) as client, late, client.recording(b"x"):
        pass
