"""What a file is, by its first bytes, whatever stands before them."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from speech_emotion import errors
from speech_emotion.audio import Limits, decode
from speech_emotion.audio.kinds import READ_HERE, SUFFIXES, Kind, kind_of
from speech_emotion.audio.view import View
from tests.speech_emotion.audio.test_lengths import id3
from tests.support import clips, sent

SECONDS = 2.0
ID3V1 = b"TAG" + b"a title".ljust(125)
APE = b"x" * 200 + b"APETAGEX" + (2_000).to_bytes(4, "little") + (232).to_bytes(4, "little") + bytes(16)
APE_FIRST = b"APETAGEX" + struct.pack("<IIIIQ", 2_000, 100_032, 1, 0xA000_0000, 0) + bytes(100_000) + APE[-32:]
FOOTED = b"ID3\x04\x00\x10\x00\x00\x00\x0a" + bytes(10) + b"3DI\x04\x00\x10\x00\x00\x00\x0a"
LYRICS = b"LYRICSBEGININD0000200hello000026LYRICS200"
TAILS = {"ID3v1": ID3V1, "APE": APE, "APE and ID3v1": APE + ID3V1}
LEFT_OUT = {"ID3v2": FOOTED, "Lyrics3": LYRICS + ID3V1, "Lyrics3 and APE": LYRICS + APE}
HEADS = {
    "a small tag": id3(10),
    "a cover of 200 kB": id3(200_000),
    "two tags": id3(10) + id3(300),
    "a tag with a footer": FOOTED,
    "an APE tag with a cover": APE_FIRST,
    "two kinds of tags": APE_FIRST + id3(10),
    "a tag and zeros": id3(50) + bytes(3_000),
}


def same(clip: bytes, name: str) -> None:
    """`clip` holds the samples of the file called so, no more and no less."""
    samples, info = decode(clip, Limits())
    expected = decode(sent.write(name, sent.tone(SECONDS)), Limits())
    assert (info.format, info.damaged) == (sent.FORMS[name].format, False)
    np.testing.assert_array_equal(samples, expected[0])


@pytest.mark.parametrize("name", ["AAC", "FLAC", "MP3", "WAV", "Ogg, Opus", "AIFF"])
@pytest.mark.parametrize("head", HEADS)
def test_a_tag_in_front_says_nothing_of_what_follows(name: str, head: str) -> None:
    same(HEADS[head] + sent.write(name, sent.tone(SECONDS)), name)


@pytest.mark.parametrize("name", ["AAC", "FLAC", "MP3"])
@pytest.mark.parametrize("tail", TAILS)
def test_a_tag_at_the_end_is_no_audio(name: str, tail: str) -> None:
    same(sent.write(name, sent.tone(SECONDS)) + TAILS[tail], name)


@pytest.mark.parametrize("name", ["AAC", "MP3", "MP3 from a pipe"])
@pytest.mark.parametrize("tag", LEFT_OUT)
def test_a_tag_of_another_kind_at_the_end_is_no_damage(name: str, tag: str) -> None:
    same(sent.write(name, sent.tone(SECONDS)) + LEFT_OUT[tag], name)


def test_a_tag_between_two_files_is_no_damage() -> None:
    clip = sent.write("MP3 from a pipe", sent.tone(SECONDS))
    samples, info = decode(clip + FOOTED + clip, Limits())
    assert not info.damaged
    assert samples.shape[1] == pytest.approx(2 * decode(clip, Limits())[0].shape[1], abs=1_152)  # a frame behind it


@pytest.mark.parametrize("name", ["AAC", "MP3", "MP3 from a pipe"])
@pytest.mark.parametrize("junk", [1, 100, 5_000])
def test_frames_are_found_behind_what_a_cut_left(name: str, junk: int) -> None:
    before = np.random.default_rng(0).integers(0, 255, junk, np.uint8).tobytes()
    info = decode(before + sent.write(name, sent.tone(SECONDS)), Limits())[1]
    assert info.format == sent.FORMS[name].format
    assert info.duration_s == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize(
    "data",
    [
        b"ID3\x04\x00\x00\x00\x00\x00\x05hello, this is text",
        b"ID3\x04\x00\x00\xff\xff\xff\xff",
        b"ID3",
        "text in UTF-16".encode("utf-16"),
        "a longer text in UTF-16 ".encode("utf-16") * 100,
        b"\xff\xfb",
        b"\xff" * 100_000,
        b"\xff\xd8\xff\xe0\x00\x10JFIF" + np.random.default_rng(0).bytes(200_000),
        b"\x89PNG\r\n\x1a\n" + np.random.default_rng(0).bytes(200_000),
        b"%PDF-1.7\n" + np.random.default_rng(1).bytes(200_000),
        b"RIFF\x00\x00\x00\x00AVI LIST",
        b"FORM\x00\x00\x00\x008SVX",
        b"#!AMR_MC1.0\n" + bytes(100),
        b"\x00\x00\x01\xba" + np.random.default_rng(2).bytes(10_000),
    ],
)
def test_what_is_none_of_these_is_unsupported_and_told_what_is(data: bytes) -> None:
    with pytest.raises(errors.UnsupportedFormatError) as caught:
        decode(data, Limits())
    assert READ_HERE in str(caught.value)


def test_noise_is_never_taken_for_frames() -> None:
    for seed in range(200):
        with pytest.raises(errors.UnsupportedFormatError):
            kind_of(View.of(b"FLV\x01" + np.random.default_rng(seed).bytes(20_000)))


def test_tags_without_end_cost_no_time() -> None:
    begun = time.process_time()
    with pytest.raises(errors.UnsupportedFormatError):
        kind_of(View.of(b"ID3\x04\x00\x00\x00\x00\x00\x00" * 1_500_000))
    with pytest.raises(errors.UnsupportedFormatError):
        kind_of(View.of(id3(0) + bytes(15_000_000)))
    assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("WAV, G.722", "ADPCM_G722"),
        ("WAV, MP3", "MP3"),
        ("Ogg, FLAC", "FLAC"),
        ("CAF, ALAC", "ALAC"),
        ("3GP, AMR", "AMR_NB"),
    ],
)
def test_codecs_that_are_rare_in_their_container_are_read(name: str, codec: str) -> None:
    assert decode(sent.write(name, sent.tone(SECONDS)), Limits())[1].subtype == codec


def test_aac_in_a_wav_is_unsupported_by_name() -> None:
    """The container does not say where a frame ends."""
    with pytest.raises(errors.UnsupportedFormatError, match=r"the WAV file is in the codec aac, .* these are: WAV"):
        decode(clips.contained("wav", "aac"), Limits())


@pytest.mark.parametrize(("form", "codec"), [("wav", "speex"), ("wav", "vorbis"), ("w64", "vorbis")])
def test_packets_of_many_sizes_in_blocks_of_one_are_unsupported_by_name(form: str, codec: str, tmp_path: Path) -> None:
    clip = sent.by_ffmpeg(tmp_path, clips.tone(SECONDS, 16_000), form, "-c:a", f"lib{codec}")
    with pytest.raises(errors.UnsupportedFormatError, match=f"in the codec {codec}"):
        decode(clip, Limits())


def test_every_kind_with_a_header_has_a_name_in_the_list_and_a_suffix() -> None:
    raw = {Kind.PCMU, Kind.PCMA, Kind.L8, Kind.L16, Kind.L24}
    suffixes = {
        Kind.WAV: ".wav", Kind.W64: ".w64", Kind.AIFF: ".aiff", Kind.AU: ".au", Kind.CAF: ".caf", Kind.FLAC: ".flac",
        Kind.OGG: ".opus", Kind.MP3: ".mp3", Kind.ADTS: ".aac", Kind.MP4: ".m4a", Kind.MATROSKA: ".webm",
        Kind.AMR: ".amr", Kind.ASF: ".wma",
    }  # fmt: skip
    assert set(Kind) - raw == suffixes.keys()
    assert set(suffixes.values()) <= SUFFIXES
