from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from speech_emotion.audio import QualityLimits, prepare
from speech_emotion.audio.activity import (
    BACKGROUND_DB,
    FADE_DB_PER_S,
    PAST_S,
    SUSTAINED_FRAMES,
    Activity,
    faded,
    measure_activity,
    speech_level,
    sustained,
)
from speech_emotion.audio.levels import HOP_S, frame_levels
from training_pipeline.data.synthetic import voice

Array = npt.NDArray[np.float64]
RATE, SECONDS = 16_000, 3.0
LIMITS = QualityLimits()
TIME = np.arange(int(SECONDS * RATE)) / RATE


def decibels(db: float) -> float:
    return float(10 ** (db / 20))


def sine(hz: float, db: float = -6.0) -> Array:
    return decibels(db) * np.sin(2 * np.pi * hz * TIME)


def white(db: float) -> Array:
    return decibels(db) * np.random.default_rng(0).normal(size=TIME.size)


def pink(db: float) -> Array:
    spectrum = np.fft.rfft(white(0))
    shaped = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(spectrum.size))), TIME.size)
    return decibels(db) * shaped / shaped.std()


def dither(bits: int) -> Array:
    random = np.random.default_rng(0)
    step = 2.0 ** (1 - bits)
    return step * np.round(random.uniform(-0.5, 0.5, TIME.size) + random.uniform(-0.5, 0.5, TIME.size))


def clicks(per_second: int) -> Array:
    sound = np.zeros(TIME.size)
    sound[:: RATE // per_second] = 0.9
    return sound


def activity(sound: npt.ArrayLike) -> Activity:
    return measure_activity(np.asarray(sound, np.float32), RATE, LIMITS)


NO_SPEECH: dict[str, Callable[[], Array]] = {
    "digital silence": lambda: np.zeros(TIME.size),
    "an offset": lambda: np.full(TIME.size, 0.5),
    "16-bit dither": lambda: dither(16),
    "8-bit dither": lambda: dither(8),
    "hum of 50 Hz at half scale": lambda: sine(50),
    "hum of 50 Hz with overtones": lambda: sum((sine(50 * n, -26) / n for n in range(1, 20)), np.zeros(TIME.size)),
    "a tone": lambda: sine(440),
    "a dial tone": lambda: sine(350) + sine(440),
    "one second of a tone": lambda: sine(440) * (np.abs(TIME - 1.5) < 0.55),
    "one click a second": lambda: clicks(1),
    "ten clicks a second": lambda: clicks(10),
    "clicks in noise": lambda: clicks(5) + white(-60),
    **{f"white noise at {db} dBFS": lambda db=db: white(db) for db in (-80, -60, -40, -20, -10)},
    **{f"pink noise at {db} dBFS": lambda db=db: pink(db) for db in (-80, -60, -40, -20, -10)},
}
TAKEN_FOR_SPEECH: dict[str, Callable[[], Array]] = {
    "a voice-like buzz": lambda: voice(SECONDS, 180.0, 0.04, seed=1),
    "the same, 40 dB lower": lambda: voice(SECONDS, 180.0, 0.04, seed=1) * decibels(-40),
    "the same in noise": lambda: voice(SECONDS, 180.0, 0.04, seed=1) + white(-25),
    # What levels alone cannot know; docs/api.md says so.
    "half a second of a tone": lambda: sine(440) * (np.abs(TIME - 1.5) < 0.25),
    "a tone with tremolo": lambda: sine(440) * (0.5 + 0.5 * np.sin(2 * np.pi * 4 * TIME)),
    "noise in bursts of a tenth of a second": lambda: white(-20) * (TIME % 0.2 < 0.1),
}


@pytest.mark.parametrize("name", NO_SPEECH)
def test_steady_short_or_faint_sounds_are_no_speech(name: str) -> None:
    assert not activity(NO_SPEECH[name]()).has_speech(0, SECONDS)


@pytest.mark.parametrize("name", TAKEN_FOR_SPEECH)
def test_sounds_that_vary_as_speech_does_are_taken_for_it(name: str) -> None:
    assert activity(TAKEN_FOR_SPEECH[name]()).has_speech(0, SECONDS)


@pytest.mark.parametrize(("hz", "expected"), [(1_000, -3.01), (440, -3.01), (50, -70), (6_000, -70)])
def test_a_full_scale_sine_has_3_dB_less_in_the_band_and_nothing_outside(hz: float, expected: float) -> None:
    level = frame_levels(np.asarray(sine(hz, 0), np.float32), RATE).max()
    assert level == pytest.approx(expected, abs=0.1) if hz in (1_000, 440) else level < expected


@pytest.mark.parametrize("rate", [4_000, 16_000, 48_000])
def test_the_level_does_not_depend_on_the_rate(rate: int) -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate)
    assert frame_levels(tone.astype(np.float32), rate).max() == pytest.approx(-23.01, abs=0.1)


def test_speech_is_found_in_its_half_only() -> None:
    heard = activity(np.concatenate([voice(SECONDS, 180.0, 0.04, seed=1), white(-60)]))
    assert heard.has_speech(0, SECONDS)
    assert not heard.has_speech(SECONDS + 0.1, 2 * SECONDS)


@pytest.mark.parametrize("samples", [1, 10, 1_000, 3_000])
def test_what_is_shorter_than_any_word_is_no_speech(samples: int) -> None:
    assert not activity(0.5 * np.ones(samples)).has_speech(0, samples / RATE)


@pytest.mark.parametrize("amplitude", [1e15, 1e30, 3e38])
def test_huge_floating_point_samples_have_a_finite_level(amplitude: float) -> None:
    loudest_dbfs = activity(amplitude * sine(440, 0)).loudest_dbfs
    assert loudest_dbfs == pytest.approx(20 * np.log10(min(amplitude, 1e30)) - 3, abs=3.1)


@pytest.mark.parametrize("recordings", ["ravdess_dir", "originals_dir"])
def test_every_recording_of_ravdess_is_speech(request: pytest.FixtureRequest, recordings: str) -> None:
    folder = request.getfixturevalue(recordings)
    paths = sorted(path for path in folder.glob("**/*") if path.suffix in (".flac", ".wav"))
    silent = []
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        heard = measure_activity(prepare(samples.T, rate, RATE), RATE, LIMITS)
        if not heard.has_speech(0, len(samples) / rate):
            silent.append(path.name)
    assert silent == []


@pytest.mark.parametrize("rate", [RATE, 11_025, 44_100])
def test_audio_that_follows_changes_no_decision(rate: int) -> None:
    samples = np.concatenate([part * decibels(db) for part, db in ((voice(3, 180, 0.04, 1), -40), (white(0), -20))])
    samples = prepare(np.asarray([np.tile(samples, 3)], np.float32), RATE, rate)
    whole = measure_activity(samples, rate, LIMITS)
    answers = set()
    for start_s in np.arange(0, 12, 0.37):
        end_s = start_s + 2.0
        cut = measure_activity(samples[: round(end_s * rate)], rate, LIMITS)
        assert whole.speech_level(start_s, end_s) == cut.speech_level(start_s, end_s)
        answers.add(whole.has_speech(start_s, end_s))
    assert answers == {True, False}


def changing(seconds: float) -> npt.NDArray[np.float32]:
    """Sounds of all kinds and levels, one after the other."""
    random = np.random.default_rng(3)
    pieces: list[Array] = []
    while sum(map(len, pieces)) < seconds * RATE:
        length, loudness = int(random.uniform(0.05, 2) * RATE), decibels(random.uniform(-90, -5))
        swell = 1 + random.choice([0.0, 0.3, 0.9]) * np.sin(2 * np.pi * 3 * np.arange(length) / RATE)
        pieces.append(loudness * swell * random.choice([sine(440)[:length], white(0)[:length]]))
    return np.concatenate(pieces).astype(np.float32)


def test_a_stream_needs_the_levels_of_five_seconds_and_no_more() -> None:
    sound = changing(120)
    whole, heard = activity(sound), Activity(RATE, LIMITS)
    decisions, sent = [], 0
    for start_s in np.arange(0, 115, 0.8):
        end_s = start_s + 4.0
        heard.forget(start_s)
        heard.add(sound[sent : (sent := round(end_s * RATE))])
        decisions.append(heard.speech_level(start_s, end_s))
        assert decisions[-1] == whole.speech_level(start_s, end_s)
    assert {level is None for level in decisions} == {True, False}


@pytest.mark.parametrize("seconds", [0.02, 0.07, 0.11, 0.15, 30.0])
def test_the_loudest_level_is_that_of_all_that_came_and_was_forgotten(seconds: float) -> None:
    sound = changing(30)[: round(seconds * RATE)]
    heard = Activity(RATE, LIMITS)
    for number, part in enumerate(np.array_split(sound, 41)):
        heard.forget(number / 41 * seconds)
        heard.add(part)
    heard.end()
    assert heard.loudest_dbfs == sustained(frame_levels(sound, RATE), SUSTAINED_FRAMES).max()


@pytest.mark.parametrize(
    ("levels", "frames", "expected"),
    [
        ([-60, -10, -60, -60], 3, [-60, -60, -60, -60]),
        ([-60, -10, -10, -60], 3, [-60, -60, -60, -60]),
        ([-60, -10, -20, -15, -60], 3, [-60, -20, -20, -20, -60]),
        ([-60, -50, -40, -30], 3, [-60, -50, -50, -50]),
        ([-30, -40], 3, [-40, -40]),
        ([], 3, []),
    ],
)
def test_a_level_counts_where_neighbouring_frames_hold_it(
    levels: list[float], frames: int, expected: list[float]
) -> None:
    assert sustained(np.asarray(levels, np.float64), frames).tolist() == expected


def test_a_sound_fades_by_a_line_until_a_louder_one_comes() -> None:
    assert faded(np.array([-10.0, -90, -90, -15, -90]), 2.0).tolist() == [-10, -12, -14, -15, -17]


def plateau(db: float, seconds: float, ripple_db: float = 0.0) -> Array:
    """A level of whole hops, every second one lower by the ripple."""
    hops = round(seconds / HOP_S)
    return db - ripple_db * (np.arange(hops) % 2)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([plateau(-20, 0.19)], None),  # too short
        ([plateau(-20, 0.23)], -20),  # long enough
        ([plateau(-20, 0.96)], -20),  # might be a vowel
        ([plateau(-20, 1.5)], None),  # steady
        ([plateau(-71, 0.5)], None),  # silence
        ([plateau(-20, 1.5), plateau(-60, 1.5)], None),  # both steady, the second no tail of the first
        ([plateau(-20, 1.5), plateau(-60, 0.7)], None),  # beside a louder sound half a second must vary, too
        ([plateau(-20, 1.5), plateau(-60, 0.8), plateau(-66, 0.5)], -60),  # and does
        ([plateau(-20, 0.1), plateau(-60, 0.8)], None),
        ([plateau(-20, 0.1), plateau(-60, 0.8), plateau(-66, 0.5)], -60),  # a knock before it
        ([plateau(-60, 0.8), plateau(-66, 0.5), plateau(-20, 1.5)], -60),  # or a tone behind it
    ],
)
def test_what_is_steady_or_short_is_put_aside(parts: list[Array], expected: float | None) -> None:
    levels = np.concatenate([np.full(3, -140.0), *parts, np.full(3, -140.0)])
    assert speech_level(levels, 0, HOP_S, LIMITS) == expected


@pytest.mark.parametrize(("falls_db_per_s", "speech"), [(2 * FADE_DB_PER_S, False), (FADE_DB_PER_S / 4, True)])
def test_the_tail_of_a_tone_is_no_sound_of_its_own(falls_db_per_s: float, speech: bool) -> None:
    tail = -10 - falls_db_per_s * HOP_S * np.arange(round(3 / HOP_S))
    found = speech_level(np.concatenate([plateau(-10, 4), np.maximum(tail, -140)]), 0, HOP_S, LIMITS)
    assert (found is not None) == speech


@pytest.mark.parametrize(("below_db", "speech"), [(BACKGROUND_DB - 1, True), (BACKGROUND_DB + 1, False)])
@pytest.mark.parametrize(("ago_s", "remembered"), [(1.0, True), (PAST_S + 0.1, False)])
def test_speech_in_the_seconds_before_a_window_tells_what_is_background(
    below_db: float, speech: bool, ago_s: float, remembered: bool
) -> None:
    said = np.concatenate([plateau(-20, 0.5), plateau(-30, 0.5), plateau(-20, 0.5)])
    pause = np.full(round(ago_s / HOP_S), -140.0)
    window = np.concatenate([plateau(-20 - below_db, 1), plateau(-30 - below_db, 1)])
    before = np.concatenate([said, pause])[-round(PAST_S / HOP_S) :]
    found = speech_level(np.concatenate([before, window]), before.size, HOP_S, LIMITS)
    assert (found is not None) == (speech or not remembered)


@pytest.mark.parametrize(
    ("before", "speech"),
    [
        (plateau(-20, 1.5), False),  # the end of a dial tone
        (plateau(-20, 1.5, ripple_db=1.5), False),
        (np.concatenate([plateau(-20, 1.5), np.full(3, -60.0)]), True),  # a sound of its own
        (plateau(-35, 1.5), True),  # a vowel after another sound
        (plateau(-20, 0.3), True),  # a vowel
    ],
)
def test_a_steady_sound_that_began_before_the_window_is_as_long_as_it_is(before: Array, speech: bool) -> None:
    levels = np.concatenate([before, plateau(-20, 0.5), np.full(60, -140.0)])
    assert (speech_level(levels, before.size, HOP_S, LIMITS) is not None) == speech
