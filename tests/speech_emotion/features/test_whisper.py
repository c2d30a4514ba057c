from __future__ import annotations

import librosa
import numpy as np
import pytest

from speech_emotion.features import WHISPER_SPEC, FeatureSpec, WhisperLogMel, extract
from tests.support.whole_clip import spectrum_of

RATE = 16_000

# A change here means that every model trained on this spec gets other features: bump schema_version instead.
FINGERPRINT = "79a3ba8d0d9b7a5159e1e22c6bcd53b7e3b92fff71ee08dbbd51ef1cddf93ca2"


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def spec_of(**fields: object) -> FeatureSpec:
    block = WhisperLogMel.model_validate(fields)
    return WHISPER_SPEC.model_copy(update={"window_s": 1.0, "stride_s": 0.5, "blocks": (block,)})


def test_the_fingerprint_stays() -> None:
    assert WHISPER_SPEC.fingerprint == FINGERPRINT
    assert (WHISPER_SPEC.frames, WHISPER_SPEC.bins) == (401, 80)


def test_features_equal_whispers_formula_in_librosa() -> None:
    samples = noise(1.0)
    transform = librosa.stft(samples, n_fft=400, hop_length=160, window="hann", pad_mode="reflect")
    mel = librosa.filters.mel(sr=RATE, n_fft=400, n_mels=80) @ np.square(np.abs(transform))
    log = np.log10(np.maximum(mel, 1e-10))
    expected = (np.maximum(log, log.max() - 8) + 4) / 4
    np.testing.assert_allclose(extract(samples, spec_of())[0], expected.T, atol=1e-5)


@pytest.mark.parametrize("gain", [1e-4, 0.05, 3.0])
def test_loudness_says_nothing_once_the_level_is_removed(gain: float) -> None:
    spec = spec_of(level="rms")
    np.testing.assert_allclose(extract(gain * noise(1.0), spec), extract(noise(1.0), spec), atol=1e-4)


def test_ten_times_the_amplitude_adds_half_a_unit_where_the_level_stays() -> None:
    difference = extract(10 * noise(1.0), spec_of()) - extract(noise(1.0), spec_of())
    np.testing.assert_allclose(difference, 0.5, atol=1e-5)  # two powers of ten, over four


def test_the_level_is_the_root_mean_square_by_parseval() -> None:
    tone = (0.3 * np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)).astype(np.float32)
    difference = extract(tone, spec_of(level="rms")) - extract(tone, spec_of())
    np.testing.assert_allclose(difference.max(axis=2), -np.log10(0.3**2 / 2) / 4, atol=2e-3)


@pytest.mark.parametrize("n_fft", [400, 401, 403])
def test_a_frames_power_is_that_of_its_samples_whether_the_transform_is_even_or_odd(n_fft: int) -> None:
    samples, window = noise(1.0), librosa.filters.get_window("hann", 400)
    frames = np.stack([window * samples[start : start + 400] for start in range(0, samples.size - 400, 160)])
    magnitude = np.abs(np.fft.rfft(frames, n_fft)).T
    without_mean = np.square(frames).sum(axis=1) - np.square(magnitude[0]) / n_fft
    power = spectrum_of(magnitude, spec_of().model_copy(update={"n_fft": n_fft})).frame_power()
    np.testing.assert_allclose(power, without_mean / np.square(window).sum(), rtol=1e-5)


def test_neither_padding_nor_silence_counts_towards_the_level() -> None:
    spec = spec_of(level="rms")
    speech = noise(0.5)
    whole = extract(speech, spec)[0, 5:40]
    silence = np.concatenate([speech, 1e-4 * noise(0.5, seed=1)])
    np.testing.assert_allclose(extract(silence, spec)[0, 5:40], whole, atol=0.02)


def test_no_value_lies_further_below_the_maximum_than_the_range() -> None:
    features = extract(np.concatenate([noise(0.5), np.zeros(RATE // 2, np.float32)]), spec_of(range_decades=3.0))
    assert np.ptp(features) == pytest.approx(3 / 4, abs=1e-5)


@pytest.mark.parametrize("spec", [spec_of(), spec_of(level="rms"), WHISPER_SPEC])
def test_silence_is_finite_and_flat(spec: FeatureSpec) -> None:
    features = extract(np.zeros(RATE, np.float32), spec)
    np.testing.assert_allclose(features, -1.5, rtol=1e-6)


def test_windows_do_not_depend_on_each_other() -> None:
    spec = spec_of(level="rms")
    quiet, loud = noise(1.0), 10 * noise(2.0, seed=1)
    alone, beside = extract(quiet, spec)[0], extract(np.concatenate([quiet, loud]), spec)[0]
    inner = slice(0, 98)  # the last frames reach into what follows
    np.testing.assert_allclose(alone[inner] - alone[0].mean(), beside[inner] - beside[0].mean(), atol=0.02)


def test_the_numbers_stay() -> None:
    # Golden: a chirp made by arithmetic.
    time = np.arange(2 * RATE) / RATE
    chirp = (0.3 * np.sin(2 * np.pi * (200 * time + 150 * time**2))).astype(np.float32)
    features = extract(chirp, WHISPER_SPEC)
    golden = {
        (0, 0): 1.39719,
        (0, 5): 1.50267,
        (50, 9): 1.63514,
        (100, 13): 1.64369,
        (150, 20): 0.65381,
        (199, 20): 1.63417,
        (199, 79): -0.32082,
        (300, 40): -0.32082,
    }
    assert features.shape == (1, 401, 80)
    for (frame, band), value in golden.items():
        assert features[0, frame, band] == pytest.approx(value, abs=1e-4)
