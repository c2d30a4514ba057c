"""Recordings as blocks: the samples of a whole clip, whatever the file, with no more in memory than a block or two."""

from __future__ import annotations

import os
import signal
import struct
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import numpy as np
import pytest

from speech_emotion import errors
from speech_emotion.audio import BlockSource, DecoderOptions, DecoderPool, Hints, Limits, decode, open_blocks
from speech_emotion.audio import decoder as decoder_module
from speech_emotion.audio.hints import NO_HINTS, raw_of
from tests.speech_emotion.audio.test_damage import overwritten
from tests.support import clips, sent
from tests.support.memory import Peak

MODULE = "tests.support.faulty_decoder"
HOUR_S = 3600.0
LIMITS = Limits(max_duration_s=HOUR_S, max_decoded_samples=2**31)
SMALL = 32 * 1024 * 1024
LONG_FLAC = clips.tone(20.0, format="FLAC")


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    options = DecoderOptions(LIMITS, cpu_s=2, memory_bytes=SMALL, niceness=10, module=MODULE)
    with DecoderPool(1, options, on_demand=True) as running:
        yield running


def opened(
    pool: DecoderPool, source: bytes | BinaryIO, hints: Hints = NO_HINTS, block_s: float = 60.0
) -> AbstractContextManager[BlockSource]:
    return pool.open(source, hints, wait_s=60, block_s=block_s)


def written(folder: Path, data: bytes) -> BinaryIO:
    (folder / "recording").write_bytes(data)
    return (folder / "recording").open("rb")


def count(blocks: BlockSource, heard: list[int]) -> None:
    """Read to the end or to an error; `heard` gets the samples of each block."""
    for block in blocks:
        heard.append(block.shape[1])


def read(blocks: BlockSource) -> np.ndarray:
    return np.concatenate(list(blocks), axis=1)


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("name", sent.FORMS)
def test_blocks_of_a_file_are_the_samples_of_its_bytes(pool: DecoderPool, name: str, tmp_path: Path) -> None:
    clip = sent.write(name, sent.tone(2.0))
    samples, info = decode(clip, Limits())
    with written(tmp_path, clip) as file:
        for source in (file, clip):
            with opened(pool, source) as blocks:
                np.testing.assert_array_equal(read(blocks), samples)
                assert blocks.info == info
        with open_blocks(file, LIMITS) as blocks:
            np.testing.assert_array_equal(read(blocks), samples)


@pytest.mark.parametrize("name", ["WAV", "WAV, 24 bit", "M4A", "FLAC"])
def test_blocks_are_of_channels_and_short(pool: DecoderPool, name: str) -> None:
    with opened(pool, sent.write(name, np.repeat(sent.tone(5.0), 2, axis=0))) as blocks:
        shapes = [block.shape for block in blocks]
    assert {channels for channels, _ in shapes} == {2}
    assert max(count for _, count in shapes) <= 48_000
    assert len(shapes) > 5


@pytest.mark.parametrize("content_type", ["audio/PCMU", "audio/L16"])
def test_samples_without_a_header_come_out_of_a_file_too(pool: DecoderPool, content_type: str, tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(40_000)
    hints = Hints(raw=raw_of(content_type, {"rate": "8000"}))
    with written(tmp_path, data) as file, opened(pool, file, hints) as blocks:
        np.testing.assert_array_equal(read(blocks), decode(data, Limits(), hints)[0])


def test_a_track_is_chosen_out_of_a_file(pool: DecoderPool, tmp_path: Path) -> None:
    clip = clips.multiplexed("matroska", [("aac", sent.tone(1.0)), ("aac", sent.tone(1.0, hz=880.0))])
    with written(tmp_path, clip) as file:
        for track in (1, 2):
            with opened(pool, file, Hints(track=track)) as blocks:
                np.testing.assert_array_equal(read(blocks), decode(clip, Limits(), Hints(track=track))[0])
        with pytest.raises(errors.TrackError), opened(pool, file, Hints(track=3)):
            pass


@pytest.mark.parametrize("size_field", [0, 0xFFFFFFFF])
def test_a_header_that_was_not_finished_is_put_right_in_a_file_too(
    pool: DecoderPool, size_field: int, tmp_path: Path
) -> None:
    clip = sent.write("WAV, 24 bit", sent.tone(1.0))
    at = clip.index(b"data") + 4
    unfinished = clip[:at] + struct.pack("<I", size_field) + clip[at + 4 :]
    with written(tmp_path, unfinished) as file, opened(pool, file) as blocks:
        np.testing.assert_array_equal(read(blocks), decode(clip, Limits())[0])


def test_damage_is_known_at_the_end(pool: DecoderPool, tmp_path: Path) -> None:
    with written(tmp_path, overwritten(LONG_FLAC)) as file, opened(pool, file) as blocks:
        assert not blocks.damaged
        heard = read(blocks)
        assert blocks.damaged
        assert blocks.info.frames == heard.shape[1]


def test_an_error_comes_after_the_blocks_before_it(pool: DecoderPool) -> None:
    samples = np.full(20 * clips.RATE, 0.25)
    samples[15 * clips.RATE] = np.nan
    heard: list[int] = []
    with opened(pool, clips.encode(samples, subtype="FLOAT")) as blocks, pytest.raises(errors.NonFiniteAudioError):
        count(blocks, heard)
    assert 10 * clips.RATE < sum(heard) <= 15 * clips.RATE


def test_a_recording_that_is_too_long_is_refused_at_its_limit_in_the_words_for_clips() -> None:
    heard: list[int] = []
    with (
        DecoderPool(1, DecoderOptions(Limits(max_duration_s=10)), on_demand=True) as short,
        opened(short, LONG_FLAC) as blocks,
        pytest.raises(errors.DurationError, match="at most 10 s are allowed"),
    ):
        count(blocks, heard)
    assert 7 * clips.RATE < sum(heard) <= 10.1 * clips.RATE


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", errors.EmptyAudioError),
        (b"text", errors.UnsupportedFormatError),
        (LONG_FLAC[:300], errors.CorruptAudioError),
        (clips.tone(0.1, 1000, format="AIFF"), errors.SampleRateError),
        (sent.write("M4A", sent.tone(2.0))[:5000], errors.CorruptAudioError),
    ],
)
def test_what_cannot_be_opened_is_refused_as_a_clip_is(
    pool: DecoderPool, data: bytes, error: type[errors.AudioError], tmp_path: Path
) -> None:
    with written(tmp_path, data) as file:
        for source in (file, data):
            with pytest.raises(error), opened(pool, source) as blocks:
                read(blocks)


def test_neither_side_ever_holds_a_recording(tmp_path: Path) -> None:
    """Ten minutes of stereo, 230 MB: the decoder may take 32, and this process takes a block at a time."""
    frames = 600 * 48_000
    header = clips.encode(np.zeros((1, 2)), 48_000, subtype="FLOAT")
    at = header.index(b"data")
    with (tmp_path / "recording").open("wb") as file:
        file.write(header[: at + 4] + struct.pack("<I", 8 * frames))
        file.truncate(at + 8 + 8 * frames)
    options = DecoderOptions(LIMITS, memory_bytes=SMALL)
    with (tmp_path / "recording").open("rb") as file, DecoderPool(1, options, on_demand=True) as pool:
        with opened(pool, clips.tone(format="FLAC")) as blocks:
            read(blocks)
        peak = Peak(pool.pids[0])
        tracemalloc.start()
        try:
            with opened(pool, file) as blocks:
                heard = sum(block.shape[1] for block in blocks)
            here = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak.above_idle_bytes() < SMALL
    assert heard == frames
    assert here < 8_000_000


def test_a_decoder_is_started_when_it_is_needed_stays_for_the_next_and_stands_back() -> None:
    restarts: list[None] = []
    options = DecoderOptions(LIMITS, niceness=10)
    with DecoderPool(2, options, lambda: restarts.append(None), on_demand=True) as pool:
        assert pool.pids == []
        with opened(pool, LONG_FLAC) as blocks:
            read(blocks)
        (pid,) = pool.pids
        assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 10
        with opened(pool, LONG_FLAC) as blocks:
            read(blocks)
        assert pool.pids == [pid]
        with opened(pool, LONG_FLAC) as blocks:
            next(iter(blocks))
        assert pool.pids == []
        with opened(pool, LONG_FLAC) as blocks:
            read(blocks)
    assert restarts == []
    assert not is_there(pid)


def test_plain_wav_needs_no_process_and_is_read_as_it_is_asked_for(tmp_path: Path) -> None:
    options = DecoderOptions(LIMITS)
    with (
        DecoderPool(1, options, on_demand=True) as pool,
        written(tmp_path, clips.tone(20.0)) as file,
        opened(pool, file) as blocks,
    ):
        next(iter(blocks))
        assert pool.pids == []


def test_leaving_early_ends_the_decoder_at_once_and_the_next_finds_another(pool: DecoderPool) -> None:
    with opened(pool, LONG_FLAC) as blocks:
        next(iter(blocks))
        pid = pool.pids[0]
    assert not is_there(pid)
    with opened(pool, LONG_FLAC) as blocks:
        np.testing.assert_array_equal(read(blocks), decode(LONG_FLAC, Limits())[0])


def test_leaving_by_an_error_of_ones_own_is_no_error_of_the_decoder(pool: DecoderPool) -> None:
    with pytest.raises(OSError, match="the client is gone"), opened(pool, LONG_FLAC) as blocks:  # noqa: PT012
        next(iter(blocks))
        raise OSError("the client is gone")
    with opened(pool, LONG_FLAC) as blocks:
        assert read(blocks).shape[1] == 20 * clips.RATE


def test_a_reader_may_take_an_hour_between_blocks(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    away_s = 0.0
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + away_s)
    monkeypatch.setattr(decoder_module, "time", clock)
    monkeypatch.setattr("speech_emotion.audio.pool.time", clock)
    with opened(pool, LONG_FLAC) as blocks:
        heard = 0
        for block in blocks:
            away_s += HOUR_S
            heard += block.shape[1]
    assert heard == 20 * clips.RATE


@pytest.mark.parametrize(
    ("fault", "error"), [(b"STALL", errors.DecoderDeadlineError), (b"BREAK", errors.DecoderFailedError)]
)
def test_a_decoder_that_hangs_or_breaks_after_a_block_is_replaced(
    pool: DecoderPool, fault: bytes, error: type[errors.SpeechEmotionError], tmp_path: Path
) -> None:
    with opened(pool, LONG_FLAC) as blocks:
        read(blocks)
    before = pool.pids
    heard: list[int] = []
    with (
        written(tmp_path, LONG_FLAC + fault) as file,
        opened(pool, file, block_s=10.0) as blocks,
        pytest.raises(error),
    ):
        count(blocks, heard)
    assert heard
    assert pool.pids != before
    with opened(pool, LONG_FLAC) as blocks:
        assert read(blocks).shape[1] == 20 * clips.RATE


def test_a_decoder_that_is_killed_costs_its_recording_alone(pool: DecoderPool) -> None:
    with opened(pool, LONG_FLAC) as blocks:
        reading = iter(blocks)
        next(reading)
        os.kill(pool.pids[0], signal.SIGKILL)
        with pytest.raises(errors.DecoderFailedError):
            list(reading)
    with opened(pool, LONG_FLAC) as blocks:
        assert read(blocks).shape[1] == 20 * clips.RATE


def test_one_recording_more_than_there_are_decoders_is_told_so(pool: DecoderPool) -> None:
    with opened(pool, LONG_FLAC) as blocks:
        next(iter(blocks))
        with pytest.raises(errors.DecoderBusyError), pool.open(LONG_FLAC, wait_s=0.1, block_s=1):
            pass


def test_closing_a_pool_on_demand_breaks_off_what_is_in_work() -> None:
    pool = DecoderPool(1, DecoderOptions(LIMITS), on_demand=True).start()
    with opened(pool, LONG_FLAC) as blocks:
        reading = iter(blocks)
        next(reading)
        pid = pool.pids[0]
        closing = threading.Thread(target=pool.close)
        closing.start()
        closing.join(60)
        assert not closing.is_alive()
        assert not is_there(pid)
        with pytest.raises(errors.DecoderFailedError):
            list(reading)
    assert pool.pids == []


def test_of_a_file_a_decoder_keeps_nothing_open(pool: DecoderPool, tmp_path: Path) -> None:
    def names() -> list[str]:
        return [link.readlink().as_posix() for link in Path(f"/proc/{pool.pids[0]}/fd").iterdir()]

    with written(tmp_path, LONG_FLAC) as file:
        with opened(pool, file) as blocks:
            next(iter(blocks))
            assert str(tmp_path / "recording") in names()
        for data in (LONG_FLAC, LONG_FLAC[:300]):
            Path(file.name).write_bytes(data)
            try:
                with opened(pool, file) as blocks:
                    read(blocks)
            except errors.CorruptAudioError:
                pass
            assert str(tmp_path / "recording") not in names()


def test_cpu_time_grows_with_the_minutes_that_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    from speech_emotion.audio import worker

    granted: list[int] = []
    usage = SimpleNamespace(ru_utime=7.2, ru_stime=1.1)
    monkeypatch.setattr(
        worker,
        "resource",
        SimpleNamespace(
            RUSAGE_SELF=0,
            RLIMIT_CPU=0,
            getrusage=lambda _: usage,
            getrlimit=lambda _: (-1, -1),
            setrlimit=lambda _, limits: granted.append(limits[0]),
        ),
    )
    budget = worker._CpuBudget(5)
    for decoded_s in (0.5, 59.9, 60.0, 61.0, 119.0, 181.0):
        budget.grant(decoded_s)
    assert granted == [14, 19, 29]
