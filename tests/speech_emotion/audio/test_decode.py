from __future__ import annotations

import io
from contextlib import ExitStack

import numpy as np
import pytest
import soundfile

from speech_emotion import errors
from speech_emotion.audio import Hints, Limits, decode, load, prepare, probe
from speech_emotion.audio.content import content_of
from speech_emotion.audio.plain import open_plain
from speech_emotion.audio.source import open_source
from tests.support.clips import RATE, encode
from tests.support.hostile import without_length


def tone(seconds: float = 0.5, rate: int = RATE, hz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize(
    ("format", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 1e-7),
        ("WAV", "ULAW", 3e-2),
        ("WAV", "ALAW", 3e-2),
        ("WAVEX", "PCM_16", 1e-4),
        ("FLAC", "PCM_16", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
    ],
)
def test_every_encoding_gives_back_the_samples(format: str, subtype: str, tolerance: float) -> None:
    samples, info = decode(encode(tone(), format=format, subtype=subtype), Limits())
    assert (info.sample_rate, info.channels, info.frames) == (RATE, 1, 8000)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples[0], tone(), atol=tolerance)


def test_probe_reads_the_header_alone() -> None:
    info = probe(encode(np.stack([tone(), tone()], axis=1), 44_100)[:60])
    assert (info.format, info.subtype, info.sample_rate, info.channels) == ("WAV", "PCM_S16LE", 44_100, 2)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", errors.EmptyAudioError),
        (b"hello, this is text and no audio at all", errors.UnsupportedFormatError),
        (b"\x7fELF" + bytes(200), errors.UnsupportedFormatError),
        (b"PK\x03\x04" + bytes(200), errors.UnsupportedFormatError),
        (bytes(1000), errors.UnsupportedFormatError),
        (encode(tone())[:20], errors.CorruptAudioError),
        (encode(np.empty(0, np.float32)), errors.EmptyAudioError),
        (encode(np.array([0.0, np.nan], np.float32), subtype="FLOAT"), errors.NonFiniteAudioError),
        (encode(np.array([0.0, np.inf], np.float32), subtype="FLOAT"), errors.NonFiniteAudioError),
        (encode(np.array([0.0, -1e20], np.float32), subtype="FLOAT"), errors.NonFiniteAudioError),
        (encode(tone(), format="FLAC")[:300], errors.CorruptAudioError),
        (encode(tone(2.0)), errors.DurationError),
        (encode(tone(), rate=2_000), errors.SampleRateError),
        (encode(tone(), rate=96_000), errors.SampleRateError),
        (encode(np.zeros((100, 3), np.float32)), errors.ChannelsError),
    ],
)
def test_what_is_no_clip_is_refused_by_name(data: bytes, error: type[errors.SpeechEmotionError]) -> None:
    limits = Limits(max_duration_s=1.0, min_sample_rate=4_000, max_sample_rate=48_000, max_channels=2)
    with pytest.raises(error) as caught:
        decode(data, limits)
    assert type(caught.value) is error
    assert str(caught.value)


def test_limit_errors_name_the_setting() -> None:
    with pytest.raises(errors.DurationError) as caught:
        decode(encode(tone(2.0)), Limits(max_duration_s=1.0))
    assert (caught.value.limit, caught.value.value, caught.value.allowed) == ("max_duration_s", 2.0, 1.0)


def test_prepare_mixes_down_to_the_mean() -> None:
    stereo = np.stack([tone(), 0.5 * tone()])
    np.testing.assert_allclose(prepare(stereo, RATE, RATE), 0.75 * tone(), atol=1e-7)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_prepare_keeps_a_tone_through_resampling(rate: int) -> None:
    resampled = prepare(tone(1.0, rate)[np.newaxis], rate, RATE)
    assert abs(resampled.size - RATE) <= 1
    inner = slice(1000, 15_000)  # the filter rings at the ends
    np.testing.assert_allclose(resampled[inner], tone(1.0)[: resampled.size][inner], atol=2e-3)


def test_load_takes_bytes_and_paths(tmp_path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(encode(tone()))
    np.testing.assert_array_equal(load(path, RATE), load(path.read_bytes(), RATE))


@pytest.mark.parametrize("channels", [1, 2])
def test_plain_wav_is_read_by_python_alone_and_gives_the_numbers_of_the_decoders(channels: int) -> None:
    clip = encode(np.random.default_rng(0).uniform(-1, 1, (1000, channels)))
    content = content_of(clip, Hints())
    plain = open_plain(content, Hints(), Limits())
    assert plain
    samples = np.concatenate(list(plain.blocks)).T
    np.testing.assert_array_equal(samples, soundfile.read(io.BytesIO(clip), dtype="float32", always_2d=True)[0].T)
    assert plain.info == probe(clip)
    with ExitStack() as stack:
        source = open_source(content, Hints(), Limits(), stack)
        np.testing.assert_array_equal(samples, np.concatenate(list(source.blocks)).T)


@pytest.mark.parametrize("promised", [0x7FFFFFF0, 0xFFFFFFFF])
def test_a_wav_that_promises_more_is_answered_for_what_is_there(promised: int) -> None:
    clip = encode(tone(0.5))
    streamed = clip[:40] + promised.to_bytes(4, "little") + clip[44:]
    np.testing.assert_array_equal(decode(streamed, Limits())[0], decode(clip, Limits())[0])


def test_a_flac_of_unknown_length_is_read_to_its_end() -> None:
    clip = encode(tone(2.0), format="FLAC")
    samples, info = decode(without_length(clip), Limits())
    np.testing.assert_array_equal(samples, decode(clip, Limits())[0])
    assert info.frames == 32_000
    assert probe(without_length(clip)).frames == 0
