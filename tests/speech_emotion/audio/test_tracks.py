"""Files with several audio tracks: the default one is heard, a silent or unreadable one gives way."""

from __future__ import annotations

import time

import av
import numpy as np
import pytest

from speech_emotion import errors
from speech_emotion.audio import DecoderOptions, DecoderPool, Hints, Limits, decode
from tests.support import clips, sent

SECONDS = 1.0
CONTAINERS = [("matroska", "libopus"), ("matroska", "pcm_s16le"), ("mp4", "aac"), ("mov", "pcm_s16le"), ("ogg", "flac")]
SILENCE = np.zeros((1, 48_000))


def tones(*hz: float) -> list[np.ndarray]:
    """A tone for each track; 0 Hz is silence."""
    return [sent.tone(SECONDS, hz=each) if each else SILENCE for each in hz]


def written(container: str, codec: str, *hz: float, default: int | None = None) -> bytes:
    tracks = [(codec, samples) for samples in tones(*hz)]
    return clips.multiplexed(container, tracks, default=default)


def heard_hz(clip: bytes, hints: Hints = Hints()) -> float:  # noqa: B008
    samples, info = decode(clip, Limits(), hints)
    middle = samples[0, 10_000:-10_000]
    return round(float(np.abs(np.fft.rfft(middle * np.hanning(middle.size))).argmax() * info.sample_rate / middle.size))


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_the_first_of_several_is_heard_where_none_or_all_are_default(container: str, codec: str) -> None:
    assert heard_hz(written(container, codec, 440, 880, 1_320)) == pytest.approx(440, abs=5)


@pytest.mark.parametrize(("container", "codec"), CONTAINERS[:4])
def test_the_default_track_is_heard_wherever_it_lies(container: str, codec: str) -> None:
    assert heard_hz(written(container, codec, 440, 880, 1_320, default=1)) == pytest.approx(880, abs=5)


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_a_silent_track_gives_way_to_the_next_that_is_not(container: str, codec: str) -> None:
    assert heard_hz(written(container, codec, 0, 0, 880)) == pytest.approx(880, abs=5)


@pytest.mark.parametrize(("container", "codec"), CONTAINERS[:4])
def test_a_silent_default_track_gives_way(container: str, codec: str) -> None:
    assert heard_hz(written(container, codec, 440, 0, default=1)) == pytest.approx(440, abs=5)


def test_where_all_are_silent_the_default_is_heard() -> None:
    samples, info = decode(written("matroska", "pcm_s16le", 0, 0), Limits())
    assert info.frames == 48_000
    assert not samples.any()


def test_a_silent_track_that_is_too_long_gives_way_and_so_does_a_broken_one() -> None:
    clip = clips.multiplexed("matroska", [("pcm_s16le", np.zeros((1, 48_000 * 3))), ("pcm_s16le", sent.tone(SECONDS))])
    assert decode(clip, Limits(max_duration_s=2.0))[1].duration_s == pytest.approx(SECONDS, abs=0.01)


def test_a_track_in_a_codec_that_is_not_read_gives_way_unless_it_is_asked_for() -> None:
    clip = clips.multiplexed("matroska", [("wavpack", sent.tone(SECONDS)), ("flac", sent.tone(SECONDS, hz=880))])
    assert heard_hz(clip) == pytest.approx(880, abs=5)
    with pytest.raises(errors.UnsupportedFormatError, match="codec wavpack"):
        decode(clip, Limits(), Hints(track=1))


@pytest.mark.parametrize(("track", "hz"), [(1, 440), (2, 880), (3, 1_320)])
@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_a_track_can_be_chosen(container: str, codec: str, track: int, hz: float) -> None:
    assert heard_hz(written(container, codec, 440, 880, 1_320), Hints(track=track)) == pytest.approx(hz, abs=5)


def test_a_silent_track_that_is_chosen_is_taken() -> None:
    assert not decode(written("matroska", "pcm_s16le", 440, 0), Limits(), Hints(track=2))[0].any()


@pytest.mark.parametrize("name", ["WAV", "FLAC", "MP3", "WebM, Opus"])
def test_a_file_with_one_track_has_track_1_alone(name: str) -> None:
    clip = sent.write(name, sent.tone(SECONDS))
    assert decode(clip, Limits(), Hints(track=1))[1].duration_s == pytest.approx(SECONDS, abs=0.1)
    for track in (2, 99):
        with pytest.raises(errors.TrackError, match=f"no track {track}"):
            decode(clip, Limits(), Hints(track=track))


def test_a_process_is_told_which_track() -> None:
    clip = written("matroska", "flac", 440, 880)
    with DecoderPool(1, DecoderOptions(Limits())) as pool:
        there = pool.decode(clip, time.monotonic() + 60, Hints(track=2))[0]
        np.testing.assert_array_equal(there, decode(clip, Limits(), Hints(track=2))[0])
        with pytest.raises(errors.TrackError):
            pool.decode(clip, time.monotonic() + 60, Hints(track=3))


def test_the_sound_of_a_film_is_heard() -> None:
    """A video track beside it, whose codec is not looked at."""
    assert heard_hz(film()) == pytest.approx(440, abs=5)


def film() -> bytes:
    """A second of black with a tone."""
    import io

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as out:
        picture = out.add_stream("mpeg4", rate=10)
        picture.width, picture.height, picture.pix_fmt = 64, 64, "yuv420p"
        sound = out.add_stream("flac", rate=48_000, layout="mono")
        for _ in range(10):
            out.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray((sent.tone(SECONDS) * 32_767).astype(np.int16), "s16", "mono")
        frame.sample_rate = 48_000
        out.mux([*sound.encode(frame)])
    return buffer.getvalue()
