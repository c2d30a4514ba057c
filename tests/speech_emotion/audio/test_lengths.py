"""A length that a header or an estimate promises is not the truth: a clip lasts as long as what decodes."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from speech_emotion import errors
from speech_emotion.audio import AudioInfo, Limits, decode
from speech_emotion.audio.limits import TOLERANCE_S, tolerance_s
from tests.support import clips, sent
from tests.support.hostile import without_length

SECONDS = 3.0
PIPE = sent.write("MP3 from a pipe", sent.tone(SECONDS))
WAV = sent.write("WAV", sent.tone(SECONDS))


def synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def id3(size: int, says: int | None = None) -> bytes:
    """An ID3v2.4 tag with a picture of so many bytes."""
    content = b"APIC" + synchsafe(size) + bytes(2) + np.random.default_rng(0).bytes(size)
    return b"ID3\x04\x00\x00" + synchsafe(len(content) if says is None else says) + content


def quiet_then_loud() -> bytes:
    """An MP3 of variable bitrate without a Xing frame: its beginning is far from its mean."""
    rng = np.random.default_rng(0)
    samples = np.concatenate([np.zeros(48_000), 0.3 * rng.normal(size=96_000)])[np.newaxis]
    return clips.multiplexed("mp3", [("libmp3lame", samples)], write_xing="0", id3v2_version="0")


MP3S = {
    "from a pipe": PIPE,
    "with a Xing frame": sent.write("MP3", sent.tone(SECONDS)),
    "loud after a quiet start": quiet_then_loud(),
    "behind an empty tag": id3(0) + PIPE,
    "behind a cover of 1 MB": id3(1_000_000) + PIPE,
    "behind two tags": id3(100) + id3(70_000) + PIPE,
    "behind a tag that says it is longer than the file": id3(100, says=2**28 - 1) + PIPE,
    "behind a tag and zeros": id3(100) + bytes(5_000) + PIPE,
    "before an ID3v1 tag": PIPE + b"TAG" + b"title".ljust(125),
    "before an APE tag": PIPE + b"x" * 100 + b"APETAGEX" + struct.pack("<III", 2000, 132, 1) + bytes(12),
    "in a WAV": sent.write("WAV, MP3", sent.tone(SECONDS)),
    "two files after each other": sent.write("MP3", sent.tone(1.0)) + sent.write("MP3", sent.tone(2.0)),
    "cut in the middle of its first frame": PIPE[200:],
}


@pytest.mark.parametrize("name", MP3S)
def test_an_mp3_lasts_as_long_as_its_frames(name: str) -> None:
    info = decode(MP3S[name], Limits())[1]
    assert info.duration_s == pytest.approx(SECONDS, abs=0.15)
    assert info.subtype == "MP3"


@pytest.mark.parametrize("kept", [0.3, 0.7])
@pytest.mark.parametrize("name", ["MP3", "MP3 from a pipe"])
def test_a_cut_mp3_is_answered_for_what_is_there(name: str, kept: float) -> None:
    clip = sent.write(name, sent.tone(SECONDS))
    assert decode(clip[: int(len(clip) * kept)], Limits())[1].duration_s == pytest.approx(SECONDS * kept, abs=0.2)


def test_an_estimate_refuses_nothing() -> None:
    """With a cover, size over bitrate says many minutes."""
    assert decode(id3(3_000_000) + PIPE, Limits(max_duration_s=SECONDS + 0.1))[1].duration_s > SECONDS - 0.1


def put(clip: bytes, at: int, form: str, *values: int) -> bytes:
    return clip[:at] + struct.pack(form, *values) + clip[at + struct.calcsize(form) :]


RF64, W64, AU = (sent.write(name, sent.tone(SECONDS)) for name in ("RF64", "W64", "AU"))
AIFF, CAF = (sent.write(name, sent.tone(SECONDS)) for name in ("AIFF", "CAF, PCM"))
BIG = clips.encode(sent.tone(SECONDS)[0], 48_000, "RF64")


def unfinished(promised: int) -> dict[str, bytes]:
    """Files whose header promises so many bytes, of 32 bits or 64, by name."""
    short, long = promised & 0xFFFF_FFFF, promised & 0xFFFF_FFFF_FFFF_FFFF
    riff = put(WAV, 4, "<I", short)
    floats = clips.encode(sent.tone(SECONDS)[0], 48_000, subtype="FLOAT")
    return {
        "WAV": put(WAV, WAV.index(b"data") + 4, "<I", short),
        "WAV, both": put(riff, WAV.index(b"data") + 4, "<I", short),
        "WAV, float": put(floats, floats.index(b"data") + 4, "<I", short),
        "RF64": put(RF64, RF64.index(b"ds64") + 8, "<QQQ", long, long, long),
        "RF64 of libsndfile": put(BIG, BIG.index(b"ds64") + 16, "<Q", long),
        "W64": put(put(W64, 16, "<Q", long), W64.index(b"data") + 16, "<Q", long),
        "AU": put(AU, 8, ">I", short),
        "AIFF": put(put(AIFF, 4, ">I", short), AIFF.index(b"SSND") + 4, ">I", short),
        "AIFF, frames": put(AIFF, AIFF.index(b"COMM") + 10, ">I", short),
        "CAF": put(CAF, CAF.index(b"data") + 4, ">Q", long),
    }


NAMES = list(unfinished(0))


@pytest.mark.parametrize("promised", [0, -1, 2**31 - 1, 2**31, 1_000, 100_000], ids=hex)
@pytest.mark.parametrize("name", NAMES)
def test_an_unfinished_file_is_read_to_its_end(name: str, promised: int) -> None:
    samples, info = decode(unfinished(promised)[name], Limits())
    assert info.duration_s == pytest.approx(SECONDS, abs=0.001)
    np.testing.assert_allclose(samples[:, :140_000], sent.tone(SECONDS)[:, :140_000], atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_file_that_is_cut_is_answered_for_what_is_there(name: str, kept: float) -> None:
    clip = unfinished(-1)[name]
    assert decode(clip[: int(len(clip) * kept)], Limits())[1].duration_s == pytest.approx(SECONDS * kept, abs=0.01)


@pytest.mark.parametrize("tail", [b"LIST" + struct.pack("<I", 4) + b"INFO", bytes(500), b"\0", b""])
def test_what_follows_the_samples_is_no_sample(tail: bytes) -> None:
    for clip in (WAV, clips.encode(sent.tone(SECONDS)[0], 48_000, subtype="PCM_24")):
        assert decode(clip + tail, Limits())[1].frames == 144_000


@pytest.mark.parametrize("tail", [b"", b"LIST" + struct.pack("<I", 4) + b"INFO"])
def test_a_wav_without_samples_has_none(tail: bytes) -> None:
    empty = WAV[: WAV.index(b"data") + 4] + bytes(4) + tail
    with pytest.raises(errors.EmptyAudioError):
        decode(empty, Limits())


def test_a_wav_of_nothing_but_chunks_ends() -> None:
    many = WAV[:12] + b"junk\0\0\0\0" * 500_000
    with pytest.raises(errors.AudioError):
        decode(many, Limits())


def test_a_flac_of_unknown_or_untrue_length_is_read_to_its_end() -> None:
    clip = bytearray(without_length(clips.tone(SECONDS, format="FLAC")))
    assert decode(bytes(clip), Limits())[1].duration_s == SECONDS
    clip[21:26] = b"\xff" * 5
    assert decode(bytes(clip), Limits())[1].duration_s == SECONDS


PADDED = ["M4A", "MP4 in fragments", "AAC", "MP3", "MP3 from a pipe", "WebM, Opus", "Ogg, Opus", "AMR", "WMA 2", "FLAC"]


@pytest.mark.parametrize("name", PADDED)
def test_a_clip_of_exactly_the_limit_is_taken_whatever_its_codec_pads(name: str) -> None:
    info = decode(sent.write(name, sent.tone(2.0)), Limits(max_duration_s=2.0))[1]
    assert info.duration_s == pytest.approx(2.0, abs=TOLERANCE_S)


@pytest.mark.parametrize(
    ("form", "codec", "rate"),
    [
        ("adts", "aac", 8_000),
        ("adts", "aac", 16_000),
        ("mp3", "libmp3lame", 8_000),
        ("mp3", "libmp3lame", 16_000),
        ("mp2", "mp2", 16_000),
    ],
)
def test_a_clip_of_exactly_the_limit_is_taken_at_low_rates_whose_frames_are_long(
    form: str, codec: str, rate: int, tmp_path: Path
) -> None:
    made = sent.by_ffmpeg(tmp_path, clips.tone(2.0, rate), form, "-c:a", codec)
    info = decode(made, Limits(max_duration_s=2.0))[1]
    assert info.sample_rate == rate
    assert info.duration_s >= 2.0
    longer = sent.by_ffmpeg(tmp_path, clips.tone(2.0 + tolerance_s(info) + 0.05, rate), form, "-c:a", codec)
    with pytest.raises(errors.DurationError):
        decode(longer, Limits(max_duration_s=2.0))


@pytest.mark.parametrize("name", ["MP3", "WebM, Opus", "Ogg, Opus", "Matroska, PCM", "FLAC"])
def test_padding_is_trimmed_where_the_file_says_so(name: str) -> None:
    assert decode(sent.write(name, sent.tone(2.0)), Limits())[1].duration_s == pytest.approx(2.0, abs=0.003)


def test_an_edit_list_trims_both_ends(tmp_path: Path) -> None:
    clip = sent.by_ffmpeg(tmp_path, clips.tone(2.0, 44_100), "ipod", "-c:a", "aac")
    assert decode(clip, Limits())[1].duration_s == pytest.approx(2.0, abs=0.003)


@pytest.mark.parametrize("name", sent.FORMS)
def test_a_clip_that_is_longer_is_refused_with_digits_that_say_so(name: str) -> None:
    with pytest.raises(errors.DurationError) as caught:
        decode(sent.write(name, sent.tone(2.4)), Limits(max_duration_s=2.0))
    said = float(str(caught.value).split("lasts ")[1].split(" s")[0])
    assert said > 2.0 + TOLERANCE_S
    assert said >= caught.value.value > 2.0
    assert "at most 2 s" in str(caught.value)
    with pytest.raises(errors.SamplesError):
        decode(sent.write(name, sent.tone(2.4)), Limits(max_decoded_samples=10_000))


@pytest.mark.parametrize("longest_s", [0.7, 2.0, 90.0])
@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 44_100])
@pytest.mark.parametrize("subtype", ["PCM_S16LE", "AAC"])
def test_what_is_allowed_has_room_to_the_last_sample(longest_s: float, rate: int, subtype: str) -> None:
    """The room is a product and was rounded down, where the length is a quotient."""
    limits, info = Limits(max_duration_s=longest_s), AudioInfo("WAV", subtype, rate, 2, 0)
    most = limits.most_frames(info)
    assert most == pytest.approx((longest_s + tolerance_s(info)) * rate, abs=1)
    assert limits.most_samples(info) == 2 * most
    assert limits.allow(most, info)
    assert not limits.allow(most + 1, info)


def test_the_longest_clip_is_taken_and_one_sample_more_is_not() -> None:
    limits = Limits(max_duration_s=90.0)
    assert decode(clips.encode(np.zeros(3_973_410), 44_100), limits)[1].frames == 3_973_410
    with pytest.raises(errors.DurationError, match=r"lasts 90\.101 s or more, at most 90 s"):
        decode(clips.encode(np.zeros(3_973_411), 44_100), limits)


def test_a_hair_over_the_limit_is_said_with_all_its_digits() -> None:
    clip = clips.encode(np.zeros(33_601), 16_000)
    with pytest.raises(errors.DurationError, match=r"lasts 2\.101 s or more, at most 2 s"):
        decode(clip, Limits(max_duration_s=2.0))
