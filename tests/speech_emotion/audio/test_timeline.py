"""Samples lie where a player has them: the picture may begin first, and pauses and lost packets leave holes."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from fractions import Fraction
from itertools import islice

import av
import numpy as np
import pytest

from speech_emotion import errors
from speech_emotion.audio import Limits, QualityLimits, decode, open_blocks
from speech_emotion.audio.timeline import HOLE_S, Timeline
from speech_emotion.features import FeatureSpec, Mel
from speech_emotion.hearing import hear
from tests.support import clips, sent

RATE = 48_000
LONG = Limits(max_duration_s=200.0)
TIMED = [("webm", "libopus"), ("matroska", "aac"), ("matroska", "pcm_s16le"), ("mp4", "aac"), ("mov", "pcm_s16le")]
WITH_HOLES = TIMED[:-1]
"""QuickTime has PCM without a time for each packet."""
Shift = Callable[[float], float]


def shifted(container: str, codec: str, samples: np.ndarray, shift: Shift, rate: int = RATE) -> bytes:
    """`[channels, samples]` whose packets come so many seconds later as `shift` says for their time."""
    return remuxed(container, clips.multiplexed(container, [(codec, samples)], rate), shift)


def remuxed(container: str, clip: bytes, shift: Shift, spoilt: Callable[[float], bool] = lambda _: False) -> bytes:
    """The clip with its packets at other times, and some of them spoilt."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(clip)) as there, av.open(buffer, "w", format=container) as out:
        stream = out.add_stream_from_template(there.streams.audio[0])
        for packet in there.demux(there.streams.audio[0]):
            if packet.pts is None or packet.time_base is None:
                continue
            at = float(packet.pts * packet.time_base)
            if spoilt(at):
                whole = packet
                packet = av.Packet(b"\xff" * packet.size)
                packet.pts, packet.time_base = whole.pts, whole.time_base
            packet.pts += round(shift(at) / packet.time_base)
            packet.dts = packet.pts
            packet.stream = stream
            out.mux(packet)
    return buffer.getvalue()


def film(container: str, codec: str, picture: str, tracks: list[tuple[float, np.ndarray]], seconds: int = 5) -> bytes:
    """Black for some seconds, and tracks of sound, each of which begins at its time."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as out:
        shown = out.add_stream(picture, rate=5)
        shown.width, shown.height, shown.pix_fmt = 64, 64, "yuv420p"
        heard = [out.add_stream(codec, rate=RATE, layout="mono") for _ in tracks]
        packets = []
        for number in range(5 * seconds):
            black = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
            black.pts, black.time_base = number, Fraction(1, 5)
            packets += shown.encode(black)
        packets += shown.encode(None)
        for stream, (start_s, samples) in zip(heard, tracks, strict=True):
            stream.codec_context.open()
            size = stream.codec_context.frame_size or 1_024
            resampler = av.AudioResampler(stream.codec_context.format.name, "mono", RATE, size)
            frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), "flt", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, round(start_s * RATE), Fraction(1, RATE)
            for piece in [*resampler.resample(frame), *resampler.resample(None), None]:
                packets += [packet for packet in stream.encode(piece) if packet.size]
        out.mux(sorted(packets, key=lambda packet: packet.dts * packet.time_base))
    return buffer.getvalue()


def runs(samples: np.ndarray, rate: int = RATE) -> list[tuple[float, float]]:
    """Start and end of each sound in seconds, apart by at least 50 ms of next to nothing."""
    loud = np.flatnonzero(np.abs(samples[0]) > 0.05)
    ends = np.flatnonzero(np.diff(loud) > 0.05 * rate)
    starts = [loud[0], *loud[ends + 1]]
    return [(start / rate, end / rate) for start, end in zip(starts, [*loud[ends], loud[-1]], strict=True)]


@pytest.mark.parametrize(
    ("container", "codec", "picture"),
    [
        ("matroska", "libopus", "mpeg4"),
        ("matroska", "flac", "mpeg4"),
        ("webm", "libopus", "libvpx"),
        ("mp4", "aac", "mpeg4"),
        ("mov", "pcm_s16le", "mpeg4"),
    ],
)
def test_sound_that_begins_after_the_picture_is_heard_when_it_sounds(container: str, codec: str, picture: str) -> None:
    samples, info = decode(film(container, codec, picture, [(2.0, sent.tone(1.0))]), Limits())
    assert runs(samples) == [pytest.approx((2.0, 3.0), abs=0.02)]
    assert info.duration_s == pytest.approx(3.0, abs=0.02)
    assert not info.damaged
    assert not samples[:, : int(1.9 * RATE)].any()


def test_speech_is_found_when_it_is_said_and_the_silence_before_it_warns_of_nothing() -> None:
    """Captions and segments are these windows."""
    said = clips.speech_like(2.0, RATE)[np.newaxis]
    spec = FeatureSpec(window_s=1.0, stride_s=0.5, padding="zeros", aggregate="none", blocks=(Mel(n_mels=40),))
    late, alone = (
        hear(*decode(film("webm", "libopus", "libvpx", [(start_s, said)]), Limits()), spec, QualityLimits())
        for start_s in (3.0, 0.0)
    )
    assert late.warnings == alone.warnings == ()
    assert [end_s > 3.2 for _, end_s in late.spans] == late.speech.tolist()
    assert late.spans[-1][1] == pytest.approx(5.0, abs=0.03)
    levels = [window.level_dbfs for window in (late.windows[-1], alone.windows[-1])]
    assert levels[0] == pytest.approx(levels[1], abs=0.5)


def test_sound_that_begins_before_the_picture_is_where_it_was() -> None:
    clip = film("matroska", "flac", "mpeg4", [(0.0, sent.tone(1.0))])
    assert decode(clip, Limits())[1].frames == RATE


@pytest.mark.parametrize(("container", "codec"), TIMED)
def test_a_lone_track_begins_where_it_begins(container: str, codec: str) -> None:
    """A live recording that someone came to later: its container starts with it."""
    whole = decode(shifted(container, codec, sent.tone(1.0), lambda _: 0.0), Limits())
    late = decode(shifted(container, codec, sent.tone(1.0), lambda _: 1_000.0), Limits())
    assert late[1].duration_s == pytest.approx(whole[1].duration_s, abs=0.03)
    assert runs(late[0]) == [pytest.approx((0.0, 1.0), abs=0.03)]


@pytest.mark.parametrize(("container", "codec"), WITH_HOLES)
def test_pauses_that_are_left_out_are_silence(container: str, codec: str) -> None:
    """As Opus leaves them out, 0.4 s in each second."""
    clip = shifted(container, codec, sent.tone(3.0), lambda at: 0.4 * min(2, int(at)))
    samples, info = decode(clip, Limits())
    assert not info.damaged
    assert info.duration_s == pytest.approx(3.8, abs=0.05)
    assert runs(samples) == [pytest.approx((start, start + 1.0), abs=0.08) for start in (0.0, 1.4, 2.8)]


@pytest.mark.parametrize(("container", "codec"), WITH_HOLES)
def test_a_long_hole_is_silence_and_damage(container: str, codec: str) -> None:
    samples, info = decode(shifted(container, codec, sent.tone(2.0), lambda at: 60.0 * (at > 1.0)), LONG)
    assert info.damaged
    assert runs(samples) == [pytest.approx(each, abs=0.08) for each in ((0.0, 1.0), (61.0, 62.0))]


@pytest.mark.parametrize(("container", "codec"), TIMED)
def test_times_that_jitter_leave_every_sample_as_it_is(container: str, codec: str) -> None:
    rng = np.random.default_rng(0)
    still = decode(shifted(container, codec, sent.tone(3.0), lambda _: 0.1), Limits())[0]
    jittery = shifted(container, codec, sent.tone(3.0), lambda at: 0.1 + rng.uniform(0.0, 0.009) * (at > 0))
    heard = decode(jittery, Limits())[0]
    frames = min(heard.shape[1], still.shape[1])  # an MP4 says how long it is, and so how much of its end is padding
    assert frames > 2.9 * RATE
    np.testing.assert_array_equal(heard[:, :frames], still[:, :frames])


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100])
def test_rounded_times_do_not_add_up(rate: int) -> None:
    """Matroska rounds to a millisecond, which is no whole number of these samples."""
    clip = clips.multiplexed("matroska", [("pcm_s16le", sent.tone(50.0, rate))], rate)
    assert decode(clip, Limits())[1].frames == 50 * rate


def test_a_clock_that_runs_fast_is_followed() -> None:
    """Many holes of a millisecond, none of which is seen by itself."""
    clip = shifted("matroska", "pcm_s16le", sent.tone(10.0), lambda at: 0.05 * at)
    assert decode(clip, Limits())[1].duration_s == pytest.approx(10.5, abs=HOLE_S + 0.01)


def test_times_that_go_back_are_not_followed() -> None:
    """Two recordings that were joined: the second begins at 0 again."""
    one, two = (sent.write("WebM, Opus", sent.tone(1.0, hz=hz)) for hz in (440.0, 880.0))
    assert decode(one + two, Limits())[1].duration_s == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(("container", "codec", "hole_s"), [("webm", "libopus", 1e6), ("mp4", "aac", 4e4)])
def test_a_time_that_is_days_away_ends_at_the_limit(container: str, codec: str, hole_s: float) -> None:
    clip = shifted(container, codec, sent.tone(2.0), lambda at: hole_s * (at > 1.0))
    begun = time.monotonic()
    with pytest.raises(errors.DurationError, match="at most 60 s are allowed"):
        decode(clip, Limits())
    assert time.monotonic() - begun < 10
    with open_blocks(clip, Limits(max_duration_s=1e9)) as blocks:
        assert max(block.shape[1] for block in islice(blocks, 200)) < RATE


def test_packets_that_cannot_be_decoded_keep_their_place() -> None:
    samples = np.concatenate([sent.tone(1.0), np.zeros((1, RATE)), sent.tone(1.0)], axis=1)
    clip = clips.multiplexed("matroska", [("aac", samples)])
    spoilt = remuxed("matroska", clip, lambda _: 0.0, lambda at: 0.5 < at < 2.0)
    heard, info = decode(spoilt, Limits())
    assert info.damaged
    assert runs(heard)[-1] == pytest.approx((2.0, 3.0), abs=0.08)


def test_frames_of_other_channels_keep_their_place() -> None:
    one, two = (clips.multiplexed("matroska", [("libmp3lame", np.tile(sent.tone(1.0), (n, 1)))]) for n in (1, 2))
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        stream = None
        for start_s, clip in ((0, one), (1, two), (2, one), (3, one)):
            with av.open(io.BytesIO(clip)) as there:
                stream = stream or out.add_stream_from_template(there.streams.audio[0])
                for packet in there.demux(there.streams.audio[0]):
                    if packet.pts is not None and packet.pts < 1_000:
                        packet.pts = packet.dts = packet.pts + 1_000 * start_s
                        packet.stream = stream
                        out.mux(packet)
    heard, info = decode(buffer.getvalue(), Limits())
    assert (info.channels, info.damaged) == (1, True)
    assert info.duration_s == pytest.approx(4.0, abs=0.08)
    assert not heard[0, int(1.1 * RATE) : int(1.9 * RATE)].any()


def test_a_track_is_not_silent_because_it_begins_late() -> None:
    tracks = [(63.0, sent.tone(1.0, hz=440.0)), (0.0, sent.tone(64.0, hz=880.0))]
    clip = film("matroska", "flac", "mpeg4", tracks)
    assert runs(decode(clip, LONG)[0]) == [pytest.approx((63.0, 64.0), abs=0.02)]


def test_where_a_frame_belongs() -> None:
    timeline = Timeline(10.0, 1_000)
    assert timeline.missing(10.0, 0) == 0
    assert timeline.missing(10.0 + HOLE_S, 0) == 0
    assert timeline.missing(10.1, 0) == 100
    assert timeline.missing(10.1, 60) == 0
    assert timeline.missing(9.0, 60) == 0
    assert timeline.missing(None, 0) == 0
    assert Timeline(None, 1_000).missing(99.0, 0) == 0


@pytest.mark.parametrize("never", [float("nan"), float("inf"), -float("inf")])
def test_a_time_in_a_unit_of_no_length_is_none(never: float) -> None:
    assert Timeline(0.0, 1_000).missing(never, 0) == 0
    assert Timeline(never, 1_000).missing(99.0, 0) == 0


def test_times_in_whole_seconds_show_no_short_holes() -> None:
    assert Timeline(0.0, 1_000, tick_s=1.0).missing(1.5, 0) == 0
    assert Timeline(0.0, 1_000, tick_s=1.0).missing(3.0, 0) == 3_000
