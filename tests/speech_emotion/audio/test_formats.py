"""Every format that is read gives back what was recorded, in a decoder process as in this one."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speech_emotion import errors
from speech_emotion.audio import DecoderOptions, DecoderPool, Hints, Limits, decode
from speech_emotion.audio.hints import Raw, raw_of
from speech_emotion.audio.kinds import Kind
from tests.support import clips, sent

SECONDS = 1.0
RAW_CODECS = {"audio/PCMU": "pcm_mulaw", "audio/PCMA": "pcm_alaw", "audio/L16": "pcm_s16be", "audio/L24": "pcm_s24be"}


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(1, DecoderOptions(Limits())) as running:
        yield running


def loudest_hz(samples: np.ndarray, rate: int) -> float:
    middle = samples[0, samples.shape[1] // 4 : -samples.shape[1] // 4]
    return float(np.abs(np.fft.rfft(middle * np.hanning(middle.size))).argmax() * rate / middle.size)


@pytest.mark.parametrize("name", sent.FORMS)
def test_the_tone_comes_back_with_its_length(pool: DecoderPool, name: str) -> None:
    clip = sent.write(name, sent.tone(SECONDS))
    samples, info = decode(clip, Limits())
    assert (info.format, info.channels, info.damaged) == (sent.FORMS[name].format, 1, False)
    assert samples.shape == (1, info.frames)
    assert info.duration_s == pytest.approx(SECONDS, abs=0.1)
    assert loudest_hz(samples, info.sample_rate) == pytest.approx(440, abs=5)
    middle = samples[:, info.frames // 4 : -info.frames // 4]
    assert middle.std() == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    there = pool.decode(clip, time.monotonic() + 60)
    np.testing.assert_array_equal(there[0], samples)
    assert there[1] == info


@pytest.mark.parametrize("name", ["WAV, 24 bit", "AU", "CAF, ALAC", "FLAC", "Ogg, FLAC", "M4A, ALAC", "Matroska, PCM"])
def test_what_loses_nothing_gives_the_very_samples(name: str) -> None:
    recorded = np.round(sent.tone(SECONDS) * 32_768) / 32_768
    np.testing.assert_allclose(decode(sent.write(name, recorded), Limits())[0], recorded, atol=1 / 32_768)


@pytest.mark.parametrize("name", ["AU", "Ogg, Opus", "Ogg, FLAC", "MP3", "M4A", "Matroska, PCM", "WMA 2"])
def test_two_channels_stay_two(name: str) -> None:
    stereo = np.concatenate([sent.tone(SECONDS), sent.tone(SECONDS, hz=880.0)])
    samples, info = decode(sent.write(name, stereo), Limits())
    assert info.channels == 2
    assert loudest_hz(samples, info.sample_rate) == pytest.approx(440, abs=5)
    assert loudest_hz(samples[::-1], info.sample_rate) == pytest.approx(880, abs=5)


@pytest.mark.parametrize("channels", [3, 6, 8])
@pytest.mark.parametrize("name", ["M4A", "FLAC", "Ogg, Opus", "WAV", "Matroska, PCM"])
def test_surround_keeps_every_channel(pool: DecoderPool, name: str, channels: int) -> None:
    """Eight planes are one more than the decoder's library can count."""
    levels = np.arange(1, channels + 1)[:, np.newaxis] / channels
    samples, info = pool.decode(sent.write(name, levels * sent.tone(SECONDS)), time.monotonic() + 60)
    assert info.channels == channels
    found = sorted(samples[:, 12_000:36_000].std(axis=1) * np.sqrt(2) / 0.5)
    np.testing.assert_allclose(found, levels[:, 0], atol=0.25)


@pytest.mark.parametrize(
    ("subtype", "tolerance"),
    [("PCM_16", 1e-4), ("PCM_24", 1e-6), ("PCM_32", 1e-7), ("FLOAT", 1e-7), ("DOUBLE", 1e-7), ("PCM_U8", 0.01)],
)
def test_wav_with_the_most_significant_byte_first_is_read_in_that_order(
    pool: DecoderPool, subtype: str, tolerance: float
) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, sent.tone(SECONDS)[0], 48_000, format="WAV", subtype=subtype, endian="BIG")
    assert buffer.getvalue().startswith(b"RIFX")
    samples, info = decode(buffer.getvalue(), Limits())
    assert info.format == "WAV"
    assert not info.subtype.endswith("LE")
    np.testing.assert_allclose(samples, sent.tone(SECONDS), atol=tolerance)
    np.testing.assert_array_equal(pool.decode(buffer.getvalue(), time.monotonic() + 60)[0], samples)
    for promised in (0, 2**32 - 1):
        at = buffer.getvalue().index(b"data") + 4
        unfinished = buffer.getvalue()[:at] + promised.to_bytes(4, "big") + buffer.getvalue()[at + 4 :]
        np.testing.assert_array_equal(decode(unfinished, Limits())[0], samples)
    with pytest.raises(errors.TrackError):
        decode(buffer.getvalue(), Limits(), Hints(track=2))


G72X = [("WAV", "G721_32"), ("AU", "G721_32"), ("AU", "G723_24"), ("AU", "G723_40")]
NMS = [("WAV", "NMS_ADPCM_16"), ("WAV", "NMS_ADPCM_24"), ("WAV", "NMS_ADPCM_32")]


def extensible(wav: bytes) -> bytes:
    """The WAV with its tag in the GUID of a sub-format."""
    size, at = int.from_bytes(wav[16:20], "little"), 20
    guid = wav[at : at + 2] + bytes.fromhex("00000000 1000 8000 00aa00389b71")
    fmt = b"\xfe\xff" + wav[at + 2 : at + 16] + bytes.fromhex("1600 0400 04000000") + guid
    return wav[:16] + len(fmt).to_bytes(4, "little") + fmt + wav[at + size :]


@pytest.mark.parametrize(("form", "subtype"), [*G72X, *NMS])
def test_adpcm_that_ffmpeg_takes_for_another_is_refused(pool: DecoderPool, form: str, subtype: str) -> None:
    clip = clips.encode(clips.speech_like(SECONDS, 8_000), 8_000, form, subtype)
    with pytest.raises(errors.UnsupportedFormatError, match="which is not read here"):
        decode(clip, Limits())
    with pytest.raises(errors.UnsupportedFormatError, match="which is not read here"):
        pool.decode(clip, time.monotonic() + 60)
    if form == "WAV":
        with pytest.raises(errors.UnsupportedFormatError, match=r"G\.721|NMS ADPCM"):
            decode(extensible(clip), Limits())


@pytest.mark.parametrize("container", ["w64", "matroska"])
def test_such_adpcm_is_refused_in_other_containers_too(container: str, tmp_path: Path) -> None:
    """G.726 is read: its tag is 0x45, that of G.721 is 0x40."""
    clip = sent.by_ffmpeg(tmp_path, clips.tone(SECONDS, 8_000), container, "-c:a", "g726")
    assert decode(clip, Limits())[1].subtype == "ADPCM_G726"
    mono_8_khz = bytes.fromhex("0100 401f0000")
    tagged = clip.replace(b"\x45\0" + mono_8_khz, b"\x40\0" + mono_8_khz, 1)
    assert tagged != clip
    with pytest.raises(errors.UnsupportedFormatError, match=r"G\.721"):
        decode(tagged, Limits())


@pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "MS_ADPCM", "ULAW", "PCM_U8"])
def test_the_byte_that_makes_a_chunk_even_is_no_damage(subtype: str) -> None:
    clip = clips.tone(1.001, 8_000, subtype=subtype)
    at = clip.index(b"data") + 4
    grown = clip[:at] + (int.from_bytes(clip[at : at + 4], "little") + 1).to_bytes(4, "little") + clip[at + 4 :] + b"\0"
    for each in (clip, grown):
        info = decode(each, Limits())[1]
        assert not info.damaged
        assert info.duration_s == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("form", "codec", "encoder"), [("ogg", "SPEEX", "libspeex"), ("caf", "OPUS", "libopus")])
def test_what_only_other_programs_write_is_heard(tmp_path: Path, form: str, codec: str, encoder: str) -> None:
    samples, info = decode(sent.by_ffmpeg(tmp_path, clips.tone(), form, "-c:a", encoder), Limits())
    assert (info.format, info.subtype) == (form.upper(), codec)
    assert info.duration_s == pytest.approx(SECONDS, abs=0.1)
    assert loudest_hz(samples, info.sample_rate) == pytest.approx(440, abs=5)


def test_wide_band_amr_is_read() -> None:
    frames = [bytes([0x04]) + np.random.default_rng(n).bytes(17) for n in range(50)]  # 20 ms each, 6.6 kbit/s
    samples, info = decode(b"#!AMR-WB\n" + b"".join(frames), Limits())
    assert (info.format, info.subtype, info.sample_rate, info.frames) == ("AMR", "AMR_WB", 16_000, 16_000)
    assert samples.std() > 0


def test_the_silence_that_phones_leave_out_of_amr_is_no_damage() -> None:
    clip = sent.write("AMR", sent.tone(SECONDS))
    silent = bytes([0x44, *bytes(5)]) + bytes([0x7C]) * 7  # one frame that describes the noise, seven of nothing
    info = decode(clip + silent * 3, Limits())[1]
    assert not info.damaged
    assert info.duration_s == pytest.approx(SECONDS + 0.48, abs=0.05)


def raw_samples(content_type: str) -> bytes:
    """The tone at 8 kHz without a header."""
    au = clips.multiplexed("au", [(RAW_CODECS[content_type], sent.tone(SECONDS, 8_000))], 8_000)
    return au[int.from_bytes(au[4:8], "big") :]


@pytest.mark.parametrize("content_type", RAW_CODECS)
def test_samples_without_a_header_are_what_their_type_says(pool: DecoderPool, content_type: str) -> None:
    hints = Hints(raw=raw_of(content_type, {"rate": "8000"}))
    samples, info = pool.decode(raw_samples(content_type), time.monotonic() + 60, hints)
    assert (info.sample_rate, info.channels, info.frames) == (8_000, 1, 8_000)
    np.testing.assert_allclose(samples, sent.tone(SECONDS, 8_000), atol=0.02)


def test_samples_without_a_header_may_have_two_channels() -> None:
    hints = Hints(raw=raw_of("audio/l16", {"Rate": "16000", "channels": "2"}))
    samples, info = decode(np.arange(8, dtype=">i2").tobytes(), Limits(), hints)
    assert (info.sample_rate, info.channels) == (16_000, 2)
    np.testing.assert_array_equal(samples * 32_768, [[0, 2, 4, 6], [1, 3, 5, 7]])


def test_a_file_with_a_header_is_what_its_header_says_whatever_its_type() -> None:
    hints = Hints(raw=Raw(Kind.PCMU, 8_000))
    assert decode(clips.tone(), Limits(), hints)[1].sample_rate == clips.RATE


@pytest.mark.parametrize("parameters", [{}, {"rate": ""}, {"rate": "fast"}, {"rate": "-8000"}, {"rate": "9" * 99}])
def test_samples_without_a_header_need_a_rate(parameters: dict[str, str]) -> None:
    with pytest.raises(errors.UnsupportedFormatError, match="rate=8000"):
        raw_of("audio/PCMU", parameters)


def test_a_rate_that_is_out_of_bounds_is_refused_as_everywhere() -> None:
    with pytest.raises(errors.SampleRateError):
        decode(bytes(100), Limits(), Hints(raw=Raw(Kind.L16, 999_999)))
    with pytest.raises(errors.ChannelsError):
        decode(bytes(180), Limits(), Hints(raw=Raw(Kind.L16, 8_000, 9)))
    with pytest.raises(errors.EmptyAudioError):
        decode(b"", Limits(), Hints(raw=Raw(Kind.L16, 8_000)))


@pytest.mark.parametrize("content_type", ["audio/wav", "audio/basic", "audio/opus", "application/octet-stream", ""])
def test_other_types_say_nothing(content_type: str) -> None:
    assert raw_of(content_type, {"rate": "8000"}) is None
