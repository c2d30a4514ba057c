"""A loud sound hides no speech that is quieter, and what was no speech before stays none beside it."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from speech_emotion.audio import QualityLimits, prepare
from speech_emotion.audio.activity import measure_activity
from speech_emotion.features import SEED_SPEC, WHISPER_SPEC, FeatureSpec, window_spans
from training_pipeline.data.synthetic import voice

Array = npt.NDArray[np.float64]
RATE = 16_000
SPECS = pytest.mark.parametrize("spec", [WHISPER_SPEC, SEED_SPEC], ids=["windows of 4 s", "windows of 6 s"])


def at(sound: npt.ArrayLike, db: float) -> Array:
    """With a peak at `db` dBFS."""
    sound = np.asarray(sound, np.float64)
    return sound / np.abs(sound).max() * 10 ** (db / 20)


def seconds(length: float) -> Array:
    return np.arange(round(length * RATE)) / RATE


def silence(length: float) -> Array:
    return np.zeros(round(length * RATE))


def noise(length: float, db: float) -> Array:
    return 10 ** (db / 20) * np.random.default_rng(0).normal(size=round(length * RATE))


def tones(length: float, *hz: float) -> Array:
    return at(sum((np.sin(2 * np.pi * each * seconds(length)) for each in hz), silence(length)), -6)


def knock(rings_s: float = 0.3, length: float = 1.0) -> Array:
    """Noise that falls by 60 dB in `rings_s`, as of a knock or a door in a room."""
    return at(noise(length, 0) * 10 ** (-3 * seconds(length) / rings_s), -3)


def dialled(digits: int, on_s: float = 0.1, off_s: float = 0.1) -> Array:
    """DTMF (ITU-T Q.23)."""
    low, high = (697, 770, 852, 941), (1209, 1336, 1477)
    pressed = [np.concatenate([tones(on_s, low[n % 4], high[n % 3]), silence(off_s)]) for n in range(digits)]
    return np.concatenate(pressed)


def busy(length: float) -> Array:
    return tones(length, 440) * (seconds(length) % 1 < 0.5)


def buzz() -> Array:
    return np.asarray(voice(3.0, 180.0, 0.04, seed=1), np.float64)


def espeak(*options: str) -> Array:
    if not shutil.which("espeak-ng"):
        pytest.skip("Debian's espeak-ng is not there")
    text = "Kids are talking by the door, and nobody listens to them."
    spoken = subprocess.run(["espeak-ng", *options, "--stdout", text], capture_output=True, check=True).stdout
    samples, rate = soundfile.read(io.BytesIO(spoken), dtype="float32", always_2d=True)
    return np.asarray(prepare(samples.T, rate, RATE), np.float64)


SPEAKERS: dict[str, Callable[[], Array]] = {
    "a buzz": buzz,
    "a man": lambda: espeak("-v", "en"),
    "a woman": lambda: espeak("-v", "en+f3"),
    "a whisper": lambda: espeak("-v", "en+whisper"),
}
BEFORE: dict[str, Callable[[], Array]] = {
    "a knock": knock,
    "three knocks": lambda: np.concatenate([knock(length=0.35)] * 3),
    "a slammed door": lambda: knock(rings_s=0.8),
    "a second of dial tone": lambda: tones(1.0, 350, 440),
    "a dial tone": lambda: tones(2.5, 350, 440),
    "a long dial tone": lambda: tones(8.0, 350, 440),
    "dialled digits": lambda: dialled(10),
    "slowly dialled digits": lambda: dialled(8, 0.2, 0.15),
    "a busy tone": lambda: busy(4.0),
    "loud noise": lambda: noise(3.0, -10),
}


def windows(sound: Array, spec: FeatureSpec) -> list[tuple[float, float, bool]]:
    heard = measure_activity(np.asarray(sound, np.float32), RATE, QualityLimits())
    return [(start, end, heard.has_speech(start, end)) for start, end in window_spans(sound.size, spec)]


@SPECS
@pytest.mark.parametrize("floor_db", [-120, -75])
@pytest.mark.parametrize("quiet_db", [-35, -45])
@pytest.mark.parametrize("speaker", SPEAKERS)
@pytest.mark.parametrize("before", BEFORE)
def test_quiet_speech_is_heard_after(
    before: str, speaker: str, quiet_db: float, floor_db: float, spec: FeatureSpec
) -> None:
    sound = np.concatenate([BEFORE[before](), at(SPEAKERS[speaker](), quiet_db)])
    assert windows(sound + noise(sound.size / RATE, floor_db), spec)[-1][2]


@SPECS
def test_speech_is_heard_on_both_sides_of_a_slammed_door(spec: FeatureSpec) -> None:
    quiet = at(buzz(), -45)
    sound = np.concatenate([quiet, quiet, knock(rings_s=0.8), quiet, quiet])
    assert all(speech for _, _, speech in windows(sound, spec))


@SPECS
def test_a_whisper_is_heard_after_loud_speech_and_a_long_silence(spec: FeatureSpec) -> None:
    sound = np.concatenate([at(buzz(), -3), silence(12), at(buzz(), -50)])
    found = windows(sound + noise(sound.size / RATE, -85), spec)
    assert (found[0][2], found[-1][2]) == (True, True)
    assert not any(speech for start, end, speech in found if start > 3.1 and end < 15)


@SPECS
def test_who_is_35_dB_quieter_than_the_other_is_heard_at_once(spec: FeatureSpec) -> None:
    sound = np.concatenate([at(np.tile(buzz(), 3), -6), at(np.tile(buzz(), 3), -41)])
    assert all(speech for _, _, speech in windows(sound, spec))


@SPECS
def test_background_45_dB_under_the_speech_just_before_is_none(spec: FeatureSpec) -> None:
    spoken = tones(6, 440) * np.abs(np.sin(np.pi * 1.5 * seconds(6)))
    rustle = noise(8, -65) * (1 + np.sin(2 * np.pi * 3 * seconds(8)))
    after = [window for window in windows(np.concatenate([spoken, rustle]), spec) if window[0] >= 6.1]
    assert after
    assert not after[0][2]


ALONE: dict[str, Callable[[], Array]] = {
    "a dial tone, then the line": lambda: np.concatenate([tones(2, 350, 440), silence(2)]),
    "a dial tone, then half a second of the line": lambda: np.concatenate([tones(3.4, 350, 440), silence(0.5)]),
    "the line, then a dial tone": lambda: np.concatenate([silence(0.4), tones(3.4, 350, 440)]),
    "a dial tone that the second window has the end of": lambda: np.concatenate([tones(2.6, 350, 440), silence(5)]),
    "the same for longer windows": lambda: np.concatenate([tones(3.5, 440), silence(8)]),
    "a busy tone": lambda: busy(12),
    "a dull knock": lambda: np.concatenate([silence(1), knock(rings_s=0.12, length=3)]),
    "a tone that ends in a room": lambda: at(np.convolve(tones(2, 440), knock(0.6)), -6),
    "the line": lambda: silence(10),
}


@SPECS
@pytest.mark.parametrize("floor_db", [-120, -80, -68, -60])
@pytest.mark.parametrize("sound", ALONE)
def test_steady_and_short_sounds_on_a_line_are_no_speech(sound: str, floor_db: float, spec: FeatureSpec) -> None:
    made = ALONE[sound]()
    if sound == "a dull knock" and floor_db == -60:
        made = made * 10  # the line is no longer within 30 dB of it
    assert not any(speech for _, _, speech in windows(made + noise(made.size / RATE, floor_db), spec))
