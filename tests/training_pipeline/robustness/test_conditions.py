"""Each condition does to a clip what its name says."""

from __future__ import annotations

import numpy as np
import pytest

from speech_emotion.audio import Limits, decode
from training_pipeline.data.synthetic import RATE, voice
from training_pipeline.robustness.conditions import CONDITIONS, Samples, small_room, speech_power
from training_pipeline.robustness.sounds import SOUNDS, pink_noise

VOICE = voice(2.0, 180.0, 0.04, seed=1)


def heard(name: str, samples: Samples = VOICE) -> tuple[Samples, int]:
    found, info = decode(CONDITIONS[name](samples, RATE, np.random.default_rng(0)), Limits())
    return found[0], info.sample_rate


def power(samples: Samples) -> float:
    return float(np.square(samples.astype(np.float64)).mean())


@pytest.mark.parametrize("name", CONDITIONS)
def test_every_condition_is_a_decodable_clip_about_as_long(name: str) -> None:
    samples, rate = heard(name)
    assert samples.size / rate == pytest.approx(2.0, abs=0.15)
    assert np.abs(samples).max() > 0.05


def test_as_recorded_changes_no_sample() -> None:
    samples, rate = heard("as recorded")
    assert rate == RATE
    np.testing.assert_array_equal(samples, VOICE)


def test_telephone_has_8_khz() -> None:
    assert heard("8 kHz")[1] == 8_000


@pytest.mark.parametrize(("name", "bits_per_s"), [("MP3, 32 kbit/s", 32_000), ("Opus, 16 kbit/s", 16_000)])
def test_lossy_files_have_their_bit_rate(name: str, bits_per_s: int) -> None:
    long = np.tile(VOICE, 5)
    data = CONDITIONS[name](long, RATE, np.random.default_rng(0))
    assert len(data) * 8 / (long.size / RATE) == pytest.approx(bits_per_s, rel=0.35)
    assert power(decode(data, Limits())[0][0]) == pytest.approx(power(long), rel=0.2)


@pytest.mark.parametrize("ratio_db", [20, 10, 5])
def test_noise_is_added_at_its_ratio_to_the_speech(ratio_db: int) -> None:
    samples, _ = heard(f"pink noise, {ratio_db} dB SNR")
    found = 10 * np.log10(speech_power(VOICE, RATE) / power(samples - VOICE))
    assert found == pytest.approx(ratio_db, abs=0.1)


def test_speech_power_leaves_pauses_out() -> None:
    tone = np.sin(2 * np.pi * 500 * np.arange(32 * 512) / RATE).astype(np.float32)  # whole frames
    with_pause = np.concatenate([tone, np.zeros(3 * RATE, np.float32)])
    assert speech_power(with_pause, RATE) == pytest.approx(0.5, rel=0.02)


def test_pink_noise_has_as_much_power_in_each_octave() -> None:
    spectrum = np.square(np.abs(np.fft.rfft(pink_noise(1 << 17, np.random.default_rng(0)))))
    octaves = [10 * np.log10(spectrum[n : 2 * n].sum()) for n in (1 << 9, 1 << 11, 1 << 13, 1 << 15)]
    assert np.ptp(octaves) < 0.5


def test_a_room_falls_by_60_db_in_its_time_and_leaves_loudness() -> None:
    click = np.zeros(RATE, np.float32)
    click[0] = 1
    wet = small_room(click, RATE, np.random.default_rng(0))
    assert power(wet) == pytest.approx(power(click), rel=1e-3)
    early, late = (power(wet[round(t * RATE) : round((t + 0.05) * RATE)]) for t in (0.05, 0.2))
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=2)


def test_quieter_and_clipped() -> None:
    assert 10 * np.log10(power(heard("12 dB quieter")[0]) / power(VOICE)) == pytest.approx(-12, abs=0.05)
    clipped, _ = heard("clipped, peak 12 dB over")
    expected = (np.abs(VOICE) > np.abs(VOICE).max() / 10 ** (12 / 20)).mean()
    assert (np.abs(clipped) > 0.999).mean() == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("name", SOUNDS)
def test_sounds_follow_their_random_numbers(name: str) -> None:
    one, again = (SOUNDS[name](RATE, RATE, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one).max() == pytest.approx(0 if name == "digital silence" else 0.3)
