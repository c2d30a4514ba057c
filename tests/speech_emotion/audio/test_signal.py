from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from speech_emotion.audio import AudioInfo, QualityLimits, prepare
from speech_emotion.audio.signal import FADE_S, SEGMENT_S, mix_down
from speech_emotion.features import WHISPER_SPEC
from speech_emotion.hearing import hear
from training_pipeline.data.synthetic import voice

Array = npt.NDArray[np.float64]
RATE = 16_000
ODD_RATES = (4_001, 7_919, 8_000, 11_025, 12_345, 22_050, 37_800, 44_056, 44_100, 48_000, 96_001, 192_000)
SPEECH = np.asarray(voice(4.0, 180.0, 0.04, seed=1), np.float64)
NOISE = np.random.default_rng(0).normal(size=(8, SPEECH.size))


def tone(hz: float, rate: int, seconds: float = 1.0) -> npt.NDArray[np.float32]:
    return np.asarray(0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate + 0.3), np.float32)


@pytest.mark.parametrize("hz", [50.0, 440.0, 1_001.7])
@pytest.mark.parametrize("resampler", ["soxr_hq", "soxr_vhq"])
@pytest.mark.parametrize("rate", ODD_RATES)
def test_a_tone_stays_the_tone_that_it_is_with_no_delay(rate: int, resampler, hz: float) -> None:
    resampled = prepare(tone(hz, rate)[np.newaxis], rate, RATE, resampler)
    inner = slice(RATE // 4, -RATE // 4)  # the filter rings at the ends
    np.testing.assert_allclose(resampled[inner], tone(hz, RATE, 2)[: resampled.size][inner], atol=2e-6)


@pytest.mark.parametrize("rate", ODD_RATES)
@pytest.mark.parametrize("samples", [1, 2, 999, 10_007])
def test_a_clip_stays_as_long_as_it_is(rate: int, samples: int) -> None:
    resampled = prepare(np.zeros((1, samples), np.float32), rate, RATE)
    assert abs(resampled.size - samples * RATE / rate) <= 1


@pytest.mark.parametrize(("rate", "hz"), [(44_100, 9_000), (44_100, 15_000), (48_000, 23_000), (192_000, 20_000)])
def test_what_the_new_rate_cannot_carry_is_gone_and_folds_nowhere(rate: int, hz: float) -> None:
    resampled = prepare(tone(hz, rate)[np.newaxis], rate, RATE)
    assert np.abs(resampled[RATE // 10 : -RATE // 10]).max() < 10 ** (-100 / 20)


@pytest.mark.parametrize("rate", ODD_RATES)
def test_a_constant_stays_the_constant(rate: int) -> None:
    resampled = prepare(np.full((1, rate), 0.25, np.float32), rate, RATE)
    np.testing.assert_allclose(resampled[RATE // 10 : -RATE // 10], 0.25, atol=1e-6)


MEAN: dict[str, Callable[[], list[Array]]] = {
    "the same twice": lambda: [SPEECH, SPEECH],
    "one channel silent": lambda: [SPEECH, 0 * SPEECH],
    "one channel 40 dB lower": lambda: [SPEECH, SPEECH / 100],
    "one channel upside down and 10 dB lower": lambda: [SPEECH, -0.3 * SPEECH],
    "two speakers": lambda: [SPEECH, np.roll(SPEECH, 7_000)],
    "a quarter of a period apart": lambda: [tone(440, RATE), np.roll(tone(440, RATE), 9)],
    "one channel two samples late": lambda: [SPEECH, np.roll(SPEECH, 2)],
    "noises with nothing in common": lambda: list(NOISE[:2]),
    "eight such noises": lambda: list(NOISE),
    "silence": lambda: [0 * SPEECH] * 3,
    "offsets that cancel": lambda: [SPEECH + 0.4, SPEECH - 0.4],
    "hum that cancels": lambda: [SPEECH + hum(), SPEECH - hum()],
}
STRONGEST: dict[str, tuple[Callable[[], list[Array]], int]] = {
    "right is left upside down": (lambda: [SPEECH, -SPEECH], 0),
    "nearly": (lambda: [-0.9 * SPEECH, SPEECH + 0.01 * NOISE[0] * SPEECH], 1),
    "at half the level": (lambda: [-0.5 * SPEECH, SPEECH], 1),
    "three samples late": (lambda: [1.1 * SPEECH, -np.roll(SPEECH, 3)], 0),
    "with an offset": (lambda: [SPEECH + 0.3, 0.3 - 0.9 * SPEECH], 0),
    "with the same hum on both": (lambda: [SPEECH + hum(), hum() - 0.9 * SPEECH], 0),
    "three channels whose sum is nothing": (lambda: [0.5 * SPEECH, 0.5 * SPEECH, -SPEECH], 2),
    "one of five channels alive": (lambda: [*[0 * SPEECH] * 3, SPEECH, 0 * SPEECH], 3),
    "one of eight in faint noise": (lambda: [SPEECH + NOISE[0] / 1e4, *NOISE[1:] / 1e4], 0),
}


def hum() -> Array:
    return 0.4 * np.sin(2 * np.pi * 50 * np.arange(SPEECH.size) / RATE)


@pytest.mark.parametrize("kind", MEAN)
def test_channels_that_do_not_cancel_have_their_mean_bit_for_bit(kind: str) -> None:
    samples = np.asarray(MEAN[kind](), np.float32)
    np.testing.assert_array_equal(mix_down(samples, RATE), samples.mean(axis=0, dtype=np.float32))


@pytest.mark.parametrize("kind", STRONGEST)
def test_where_the_mean_is_far_below_the_channels_the_strongest_is_heard(kind: str) -> None:
    made, channel = STRONGEST[kind]
    samples = np.asarray(made(), np.float32)
    np.testing.assert_array_equal(mix_down(samples, RATE), samples[channel])
    info = AudioInfo("WAV", "PCM_16", RATE, len(samples), samples.shape[1])
    assert hear(samples / 30, info, WHISPER_SPEC, QualityLimits()).speech.all()


def test_a_clip_that_cancels_in_a_part_is_whole_throughout() -> None:
    upright = np.stack([SPEECH, SPEECH])
    upside_down = np.stack([SPEECH, -SPEECH])
    samples = np.asarray(np.concatenate([upright, upside_down, upright], axis=1), np.float32)
    mixed = mix_down(samples, RATE)
    length, settled = SPEECH.size, round(2 * SEGMENT_S * RATE)
    for part in range(3):
        inner = slice(part * length + settled, (part + 1) * length)
        np.testing.assert_allclose(np.abs(mixed[inner]), np.abs(samples[0, inner]), atol=1e-6)


def test_one_mixture_fades_into_the_other() -> None:
    constant = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(4 * RATE) / RATE)
    samples = np.asarray([constant, np.where(np.arange(4 * RATE) < 2 * RATE, constant, -constant)], np.float32)
    steps = np.abs(np.diff(mix_down(samples, RATE)))
    assert steps.max() <= np.abs(np.diff(samples[0])).max() + 1 / (FADE_S * RATE)


@pytest.mark.parametrize("inverted", [1.0, -1.0])
def test_audio_that_follows_changes_nothing_of_the_mixture(inverted: float) -> None:
    samples = np.asarray([np.tile(SPEECH, 2), np.concatenate([SPEECH, -inverted * SPEECH])], np.float32)
    cut = round(3 * SEGMENT_S * RATE)
    np.testing.assert_array_equal(mix_down(samples[:, :cut], RATE), mix_down(samples, RATE)[:cut])


@pytest.mark.parametrize("samples", [1, 2, 3, 100])
@pytest.mark.parametrize("rate", [100, RATE])
def test_a_clip_of_hardly_any_samples_is_mixed(samples: int, rate: int) -> None:
    assert mix_down(np.ones((2, samples), np.float32), rate).tolist() == [1.0] * samples
