from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from speech_emotion.audio import QualityLimits, prepare
from speech_emotion.audio.quality import Activity, measure_activity, sustained_levels, warnings_of
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
    level = sustained_levels(np.asarray(sine(hz, 0), np.float32), RATE).max()
    assert level == pytest.approx(expected, abs=0.1) if hz in (1_000, 440) else level < expected


@pytest.mark.parametrize("rate", [4_000, 16_000, 48_000])
def test_the_level_does_not_depend_on_the_rate(rate: int) -> None:
    tone = 0.1 * np.sin(2 * np.pi * 1_000 * np.arange(rate) / rate)
    assert sustained_levels(tone.astype(np.float32), rate).max() == pytest.approx(-23.01, abs=0.1)


def test_speech_is_found_in_its_half_only() -> None:
    heard = activity(np.concatenate([voice(SECONDS, 180.0, 0.04, seed=1), white(-60)]))
    assert heard.has_speech(0, SECONDS)
    assert not heard.has_speech(SECONDS + 0.1, 2 * SECONDS)


@pytest.mark.parametrize("samples", [1, 10, 1_000, 3_000])
def test_what_is_shorter_than_any_word_is_no_speech(samples: int) -> None:
    assert not activity(0.5 * np.ones(samples)).has_speech(0, samples / RATE)


def test_huge_floating_point_samples_have_a_finite_level() -> None:
    assert np.isfinite(activity(1e30 * sine(440)).loudest_dbfs)


def test_each_warning_has_its_cause() -> None:
    loud = np.asarray(voice(SECONDS, 180.0, 0.04, seed=1))[np.newaxis]
    quiet = loud * decibels(-50)
    clipped = np.clip(loud * 20, -1, 1)
    rates = {"good": (RATE, RATE), "low": (8_000, RATE)}
    found = {
        name: warnings_of(sound, *rates[rate], activity(sound[0]), LIMITS)
        for name, sound, rate in (
            ("fine", loud, "good"),
            ("quiet", quiet, "good"),
            ("clipped", clipped, "good"),
            ("low", loud, "low"),
            ("all but quiet", clipped, "low"),
        )
    }
    assert found == {
        "fine": (),
        "quiet": ("very_quiet",),
        "clipped": ("clipped",),
        "low": ("low_sample_rate",),
        "all but quiet": ("clipped", "low_sample_rate"),
    }


@pytest.mark.parametrize("recordings", ["ravdess_dir", "originals_dir"])
def test_every_recording_of_ravdess_is_speech(request: pytest.FixtureRequest, recordings: str) -> None:
    folder = request.getfixturevalue(recordings)
    paths = sorted(path for path in folder.glob("**/*") if path.suffix in (".flac", ".wav"))
    silent, quiet = [], 0
    for path in paths:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        heard = measure_activity(prepare(samples.T, rate, RATE), RATE, LIMITS)
        if not heard.has_speech(0, len(samples) / rate):
            silent.append(path.name)
        quiet += "very_quiet" in warnings_of(samples.T, rate, RATE, heard, LIMITS)
        assert "clipped" not in warnings_of(samples.T, rate, RATE, heard, LIMITS)
    assert silent == []
    assert quiet <= len(paths) // 100
