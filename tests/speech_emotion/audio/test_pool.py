from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech_emotion import errors
from speech_emotion.audio import DecoderOptions, DecoderPool, Limits, decode, wire
from tests.support import clips
from tests.support.waiting import until

FLAC = clips.tone(format="FLAC")
MODULE = "tests.support.faulty_decoder"
LONG_S = 120.0


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    options = DecoderOptions(Limits(max_duration_s=20, max_channels=2), cpu_s=1, module=MODULE)
    with DecoderPool(1, options) as running:
        yield running


def soon(seconds: float = LONG_S) -> float:
    return time.monotonic() + seconds


def refused(pool: DecoderPool, clip: bytes, seconds: float) -> BaseException:
    """The error that decoding ends in."""
    with pytest.raises(errors.SpeechEmotionError) as caught:
        pool.decode(clip, soon(seconds))
    return caught.value


FORMATS = [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_16"), ("AIFF", "PCM_24"), ("FLAC", None)]
LOSSY = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)]


@pytest.mark.parametrize(("format", "subtype"), FORMATS + LOSSY)
@pytest.mark.parametrize("channels", [1, 2])
def test_the_pool_gives_the_very_samples(pool: DecoderPool, format: str, subtype: str | None, channels: int) -> None:
    clip = clips.tone(2.0, channels=channels, format=format, subtype=subtype)
    there, here = pool.decode(clip, soon()), decode(clip, Limits())
    np.testing.assert_array_equal(there[0], here[0])
    assert there[1] == here[1]


def test_the_pool_reads_what_browsers_record(pool: DecoderPool) -> None:
    clip = clips.contained("webm", "libopus", channels=2)
    np.testing.assert_array_equal(pool.decode(clip, soon())[0], decode(clip, Limits())[0])


@pytest.mark.parametrize(
    ("clip", "error"),
    [
        (b"", errors.EmptyAudioError),
        (b"text", errors.UnsupportedFormatError),
        (FLAC[:300], errors.CorruptAudioError),
        (clips.encode(np.array([np.nan]), subtype="FLOAT"), errors.NonFiniteAudioError),
        (clips.tone(21.0, format="FLAC"), errors.DurationError),
        (clips.tone(21.0), errors.DurationError),
        (clips.tone(0.1, 1000, format="AIFF"), errors.SampleRateError),
        (clips.tone(0.1, channels=3, format="FLAC"), errors.ChannelsError),
    ],
)
def test_errors_come_back_as_they_are_and_the_process_stays(
    pool: DecoderPool, clip: bytes, error: type[errors.AudioError]
) -> None:
    before = pool.pids
    with pytest.raises(error) as caught:
        pool.decode(clip, soon())
    assert type(caught.value) is error
    if isinstance(caught.value, errors.LimitError):
        assert caught.value.limit
        assert caught.value.allowed
    assert pool.pids == before


@pytest.mark.parametrize("clip", [b"text" * 1000, FLAC[:300], FLAC + b"RAISE"], ids=["unknown", "corrupt", "failed"])
def test_a_refused_clip_is_let_go_at_once(pool: DecoderPool, clip: bytes) -> None:
    before = sys.getrefcount(clip)
    gc.disable()  # an error that is in a cycle with a frame would hold the clip until a collection
    try:
        with suppress(errors.SpeechEmotionError):
            pool.decode(clip, soon())
        assert sys.getrefcount(clip) == before
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("fault", "says"),
    [(b"CRASH", "crashed"), (b"SPIN", "1 s of CPU"), (b"HOARD", "memory"), (b"RAISE", "failed")],
)
def test_a_fault_costs_one_clip(pool: DecoderPool, fault: bytes, says: str) -> None:
    before = pool.pids
    with pytest.raises(errors.DecoderFailedError, match=says):
        pool.decode(FLAC + fault, soon())
    assert pool.pids != before
    assert pool.decode(FLAC, soon())[1].frames == clips.RATE


def test_a_decoder_that_hangs_is_ended_at_the_deadline(pool: DecoderPool) -> None:
    pool.decode(FLAC, soon())
    before = pool.pids[0]
    with pytest.raises(errors.DecoderDeadlineError):
        pool.decode(FLAC + b"HANG", soon(0.5))
    assert not Path(f"/proc/{before}").exists()
    assert pool.decode(FLAC, soon())[1].frames == clips.RATE


def test_when_all_are_at_work_a_clip_is_told_so_but_plain_wav_is_answered(pool: DecoderPool) -> None:
    pool.decode(FLAC, soon())
    hanging = threading.Thread(target=refused, args=(pool, FLAC + b"HANG", LONG_S))
    hanging.start()
    until(pool._idle.empty)
    with pytest.raises(errors.DecoderBusyError):
        pool.decode(FLAC, soon(0.1))
    assert pool.decode(clips.tone(), soon(0.1))[1].frames == clips.RATE
    os.kill(pool.pids[0], signal.SIGKILL)
    hanging.join()


def test_a_decoder_killed_at_work_costs_its_clip_one_killed_idle_costs_none(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.decode(FLAC, soon())
    caught: list[BaseException] = []
    asked, receive = threading.Event(), wire.receive_header

    def receive_header(*arguments: Any) -> tuple[bytes, int]:
        asked.set()  # the clip has been sent
        return receive(*arguments)

    monkeypatch.setattr(wire, "receive_header", receive_header)
    asking = threading.Thread(target=lambda: caught.append(refused(pool, FLAC + b"HANG", LONG_S)))
    asking.start()
    assert asked.wait(LONG_S)
    os.kill(pool.pids[0], signal.SIGKILL)
    asking.join()
    assert [type(error) for error in caught] == [errors.DecoderFailedError]
    pool.decode(FLAC, soon())
    idle = pool.pids[0]
    os.kill(idle, signal.SIGKILL)
    until(lambda: Path(f"/proc/{idle}/stat").read_text().split()[2] == "Z")
    assert pool.decode(FLAC, soon())[1].frames == clips.RATE


def test_the_owner_hears_of_every_new_process_and_of_no_other_error() -> None:
    restarts: list[None] = []
    options = DecoderOptions(Limits(), module=MODULE)
    with DecoderPool(1, options, lambda: restarts.append(None)) as pool:
        pool.decode(FLAC, soon())
        refused(pool, FLAC[:300], LONG_S)
        assert len(restarts) == 0
        refused(pool, FLAC + b"CRASH", LONG_S)
        assert len(restarts) == 1
        refused(pool, FLAC + b"HANG", 0.5)
        assert len(restarts) == 2
        pool.decode(FLAC, soon())
    assert len(restarts) == 2


def test_closing_ends_every_process() -> None:
    pool = DecoderPool(2, DecoderOptions(Limits())).start()
    pids = pool.pids
    assert len(pids) == 2
    pool.close()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert pool.pids == []


def test_a_flac_of_hours_is_refused_while_it_is_decoded(pool: DecoderPool) -> None:
    silence = bytearray(clips.encode(np.zeros(120 * 16_000), format="FLAC"))
    silence[21] &= 0xF0  # the header no longer says how long
    silence[22:26] = bytes(4)
    assert len(silence) < 20_000
    with pytest.raises(errors.DurationError):
        pool.decode(bytes(silence), soon())


@pytest.mark.parametrize("name", ["GATEWAY_TOKEN", "AWS_SECRET_ACCESS_KEY", "DATABASE_URL", "LD_PRELOAD", "HOME"])
def test_a_decoder_inherits_no_variable_that_it_does_not_need(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "")
    monkeypatch.setenv("PYTHONUTF8", "1")
    with DecoderPool(1, DecoderOptions(Limits())) as pool:
        pool.decode(FLAC, soon())
        environment = Path(f"/proc/{pool.pids[0]}/environ").read_bytes().split(b"\0")
    assert b"PYTHONUTF8=1" in environment
    assert not [line for line in environment if line.startswith(name.encode())]


@pytest.mark.parametrize("works", [0, 1, 2])
def test_a_pool_that_cannot_start_every_process_leaves_none(monkeypatch: pytest.MonkeyPatch, works: int) -> None:
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def popen(*args: Any, **kwargs: Any) -> subprocess.Popen[bytes]:
        if len(started) == works:
            raise OSError("no more processes")
        started.append(real(*args, **kwargs))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", popen)
    before = set(Path("/proc/self/fd").iterdir())
    pool = DecoderPool(3, DecoderOptions(Limits()))
    with pytest.raises(OSError, match="no more"):
        pool.start()
    assert [process.returncode for process in started] == [-signal.SIGKILL] * works
    assert set(Path("/proc/self/fd").iterdir()) == before
    assert pool.pids == []
    pool.close()


def test_closing_a_pool_that_never_started_returns() -> None:
    DecoderPool(2, DecoderOptions(Limits())).close()
