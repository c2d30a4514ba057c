"""What cannot be decoded is left out and told; only where nothing can be is a clip refused."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest

from speech_emotion import errors
from speech_emotion.audio import DecoderOptions, DecoderPool, Limits, QualityLimits, decode
from speech_emotion.features import FeatureSpec, Mel
from speech_emotion.hearing import hear
from tests.support import clips, sent

SECONDS = 4.0
NOISE = np.random.default_rng(0).normal(0, 0.1, (1, int(SECONDS * 48_000)))
STREAMS = ["FLAC", "Ogg, FLAC", "Ogg, Opus", "MP3", "MP3 from a pipe", "WAV, MP3", "AAC", "WebM, Opus", "WMA 2"]


def overwritten(clip: bytes) -> bytes:
    """300 bytes in the middle are something else."""
    middle = len(clip) // 2
    return clip[:middle] + np.random.default_rng(1).bytes(300) + clip[middle + 300 :]


def missing(clip: bytes) -> bytes:
    """300 bytes in the middle are not there."""
    middle = len(clip) // 2
    return clip[:middle] + clip[middle + 300 :]


def zeroed(clip: bytes) -> bytes:
    """300 bytes in the middle were never written."""
    middle = len(clip) // 2
    return clip[:middle] + bytes(300) + clip[middle + 300 :]


@pytest.mark.parametrize("name", [*STREAMS, "MP4 in fragments", "Matroska, AAC"])
@pytest.mark.parametrize("damage", [overwritten, missing, zeroed])
def test_a_damaged_packet_is_left_out(name: str, damage: Callable[[bytes], bytes]) -> None:
    info = decode(damage(sent.write(name, NOISE)), Limits())[1]
    assert info.damaged
    assert 0.45 * SECONDS < info.duration_s < SECONDS + 0.05


@pytest.mark.parametrize("name", ["M4A", "M4A, ALAC", "CAF, ALAC"])
@pytest.mark.parametrize("damage", [overwritten, zeroed])
def test_a_damaged_packet_of_a_file_with_an_index_is_left_out(name: str, damage: Callable[[bytes], bytes]) -> None:
    info = decode(damage(sent.write(name, NOISE)), Limits())[1]
    assert info.damaged
    assert 0.9 * SECONDS < info.duration_s < SECONDS + 0.05


@pytest.mark.parametrize("name", [*STREAMS, "AMR", "MP4 in fragments", "Matroska, PCM"])
def test_a_cut_file_is_answered_for_what_is_there(name: str) -> None:
    clip = sent.write(name, NOISE)
    info = decode(clip[: len(clip) // 2], Limits())[1]
    assert 0.2 * SECONDS < info.duration_s < 0.6 * SECONDS


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("M4A", "it has no index"),
        ("M4A, ALAC", "it has no index"),
        ("3GP, AMR", "it has no index"),
        ("CAF, ALAC", "is broken"),
    ],
)
def test_a_file_that_lost_its_index_is_refused_and_told_so(name: str, why: str) -> None:
    clip = sent.write(name, NOISE)
    with pytest.raises(errors.CorruptAudioError, match=why):
        decode(clip[: len(clip) // 2], Limits())


@pytest.mark.parametrize("name", ["FLAC", "AAC", "MP3", "Ogg, Opus"])
def test_nothing_that_decodes_is_corrupt(name: str) -> None:
    clip = sent.write(name, NOISE)
    header = {"FLAC": 86, "AAC": 7, "MP3": 50, "Ogg, Opus": 200}[name]
    with pytest.raises(errors.AudioError) as caught:
        decode(clip[:header] + np.random.default_rng(0).bytes(3_000), Limits())
    assert caught.value.code in ("corrupt_audio", "unsupported_format")


def test_a_few_frames_of_another_rate_are_left_out_and_most_are_refused() -> None:
    """What a flipped bit in a header looks like, and two files that do not belong together."""
    here, there = (sent.write("AAC", NOISE[:, : 48_000 * 2], rate) for rate in (48_000, 32_000))
    info = decode(here + there[:3_000], Limits())[1]
    assert (info.sample_rate, info.damaged) == (48_000, True)
    assert info.duration_s == pytest.approx(2.0, abs=0.1)
    with pytest.raises(errors.CorruptAudioError, match="changes its sample rate"):
        decode(here[:3_000] + there, Limits())


def test_rate_and_channels_are_those_of_the_first_frame_whatever_the_header_says() -> None:
    """As with HE-AAC, whose header says half the rate and one channel."""
    clip = bytearray(sent.write("MP4 in fragments", sent.tone(SECONDS)))
    entry = clip.index(b"mp4a") + 4
    clip[entry + 16 : entry + 18] = (2).to_bytes(2, "big")
    clip[entry + 24 : entry + 28] = (24_000 << 16).to_bytes(4, "big")
    info = decode(bytes(clip), Limits())[1]
    assert (info.sample_rate, info.channels) == (48_000, 1)
    assert info.duration_s == pytest.approx(SECONDS, abs=0.1)


def test_the_damage_reaches_the_owner_of_the_process_and_the_warnings() -> None:
    clip = overwritten(clips.tone(SECONDS, format="FLAC"))
    with DecoderPool(1, DecoderOptions(Limits())) as pool:
        samples, info = pool.decode(clip, time.monotonic() + 60)
        whole = pool.decode(clips.tone(SECONDS, format="FLAC"), time.monotonic() + 60)
    assert (info.damaged, whole[1].damaged) == (True, False)
    spec = FeatureSpec(window_s=1.0, stride_s=0.5, padding="zeros", aggregate="none", blocks=(Mel(n_mels=40),))
    assert "damaged" in hear(samples, info, spec, QualityLimits()).warnings
    assert "damaged" not in hear(*whole, spec, QualityLimits()).warnings


def test_an_index_that_grows_with_the_length_is_no_damage_and_what_was_passed_over_still_is() -> None:
    clip = clips.multiplexed("matroska", [("libopus", np.tile(NOISE, 10))], cluster_time_limit="20")
    cues = clip.rindex(bytes.fromhex("1c53bb6b"))
    assert len(clip) - cues > 3_000
    whole = decode(clip, Limits())[1]
    assert not whole.damaged
    torn = bytearray(clip)
    torn[cues // 2 : cues] = np.random.default_rng(0).bytes(cues - cues // 2)
    info = decode(bytes(torn), Limits())[1]
    assert info.damaged
    assert info.frames < whole.frames
