"""A decoder that is taken over has its memory and one socket, and nothing else."""

from __future__ import annotations

import ctypes.util
import importlib
import json
import logging
import sys
import time
from pathlib import Path

import pytest

from speech_emotion.audio import DecoderOptions, DecoderPool, Limits, confine
from speech_emotion.errors import CorruptAudioError
from tests.support import clips
from tests.support.escapes import ATTEMPTS, HARMLESS, REFUSED, attempts


@pytest.fixture(scope="module")
def outcomes() -> dict[str, str]:
    """What a decoder process found that tries everything."""
    options = DecoderOptions(Limits(), module="tests.support.escaping_decoder")
    with DecoderPool(1, options) as pool, pytest.raises(CorruptAudioError) as caught:
        pool.decode(clips.tone(format="FLAC"), time.monotonic() + 60)
    found: dict[str, str] = json.loads(str(caught.value))
    return found


@pytest.mark.parametrize("name", ATTEMPTS)
def test_a_decoder_cannot(outcomes: dict[str, str], name: str) -> None:
    assert outcomes[name] in REFUSED


def test_a_decoder_can_only_read_the_recording_that_it_is_given(tmp_path: Path) -> None:
    options = DecoderOptions(Limits(), module="tests.support.escaping_decoder")
    clip = clips.tone(format="FLAC")
    (tmp_path / "recording").write_bytes(clip)
    with (
        DecoderPool(1, options) as pool,
        (tmp_path / "recording").open("rb") as file,
        pytest.raises(CorruptAudioError) as caught,
        pool.open(file, wait_s=60, block_s=60),
    ):
        pass
    found = json.loads(str(caught.value))
    on_the_file = {name: found[name] for name in found if name not in ATTEMPTS}
    assert len(on_the_file) == 5
    assert set(on_the_file.values()) <= {"EPERM", "EBADF"}, on_the_file
    assert on_the_file["write to the recording"] == "EBADF"
    assert all(found[name] in REFUSED for name in ATTEMPTS)
    assert (tmp_path / "recording").read_bytes() == clip


def test_what_is_tried_succeeds_elsewhere() -> None:
    assert attempts(HARMLESS) == dict.fromkeys(HARMLESS, "succeeded")


def test_a_decoder_has_no_file_but_its_socket_and_streams() -> None:
    with DecoderPool(1, DecoderOptions(Limits())) as pool:
        pool.decode(clips.tone(format="FLAC"), time.monotonic() + 60)
        fds = [link.readlink().as_posix() for link in Path(f"/proc/{pool.pids[0]}/fd").iterdir()]
        status = Path(f"/proc/{pool.pids[0]}/status").read_text()
    assert sum(name.startswith("socket:") for name in fds) == 1
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def test_where_it_can_be_confined_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert confine.obstacle() is None
    with caplog.at_level(logging.WARNING), DecoderPool(1, DecoderOptions(Limits())):
        pass
    assert not caplog.records


def test_without_the_package_one_line_says_so_and_clips_are_decoded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "pyseccomp.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    with caplog.at_level(logging.WARNING), DecoderPool(2, DecoderOptions(Limits())) as pool:
        assert pool.decode(clips.tone(format="FLAC"), time.monotonic() + 60)[1].frames == clips.RATE
        assert "Seccomp:\t0" in Path(f"/proc/{pool.pids[-1]}/status").read_text()
    assert [record.getMessage() for record in caplog.records] == [
        "decoder processes are not confined: the package pyseccomp is not installed"
    ]


def test_without_the_library_the_reason_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ctypes.util.find_library
    monkeypatch.delitem(sys.modules, "pyseccomp", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None if name == "seccomp" else real(name))
    assert confine.obstacle() == "the library libseccomp is not installed"
    monkeypatch.undo()
    importlib.invalidate_caches()
    assert confine.obstacle() is None


def test_without_the_kernels_help_the_reason_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda _: "Name:\tpython\n")
    assert confine.obstacle() == "the kernel has no seccomp"
