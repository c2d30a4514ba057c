from __future__ import annotations

from itertools import pairwise

import librosa
import numpy as np
import pytest

from speech_emotion.audio import load
from speech_emotion.errors import EmptyAudioError
from speech_emotion.features import SEED_SPEC, Chroma, FeatureSpec, Mel, Mfcc, extract, window_spans
from speech_emotion.features.windows import Windows

RATE = 16_000


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def framed(*blocks: Mfcc | Chroma | Mel, window_s: float = 1.0, stride_s: float = 0.5) -> FeatureSpec:
    return FeatureSpec(window_s=window_s, stride_s=stride_s, padding="zeros", aggregate="none", blocks=blocks)


@pytest.mark.parametrize("seconds", [1.3, 3.5, 5.9])
def test_seed_features_equal_librosas_own_calls(seconds: float) -> None:
    samples = noise(seconds)
    magnitude = np.abs(librosa.stft(samples))
    expected = np.concatenate(
        [
            librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=40).mean(axis=1),
            librosa.feature.chroma_stft(S=magnitude, sr=RATE, tuning=0.0).mean(axis=1),
            librosa.feature.melspectrogram(y=samples, sr=RATE).mean(axis=1),
        ]
    )
    features = extract(samples, SEED_SPEC)
    assert features.shape == (1, 1, 180)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features[0, 0], expected, rtol=1e-4, atol=1e-4)


def test_the_seeds_numbers_stay() -> None:
    # Golden: a chirp made by arithmetic. A change here is a change of every model trained on this spec.
    time = np.arange(2 * RATE) / RATE
    chirp = (0.3 * np.sin(2 * np.pi * (200 * time + 150 * time**2))).astype(np.float32)
    golden = {
        0: -511.1547,
        1: 49.66546,
        2: 23.58243,
        39: -0.1377625,
        40: 0.1508048,
        45: 0.1852742,
        51: 0.146785,
        52: 0.03964911,
        60: 46.64363,
        80: 58.57709,
        120: 7.838487e-05,
    }
    features = extract(chirp, SEED_SPEC)[0, 0]
    np.testing.assert_allclose(features[list(golden)], list(golden.values()), rtol=1e-4)


def test_recordings_equal_librosas_own_calls(ravdess_dir) -> None:
    samples = load(ravdess_dir / "03-01-05-02-01-01-12.flac", RATE)
    expected = librosa.feature.mfcc(y=samples, sr=RATE, n_mfcc=40).mean(axis=1)
    np.testing.assert_allclose(extract(samples, SEED_SPEC)[0, 0, :40], expected, rtol=1e-4, atol=1e-4)


def test_a_tone_lights_its_own_chroma_bin() -> None:
    a440 = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    chroma = extract(a440, framed(Chroma()))[0]
    assert set(chroma.argmax(axis=1)) == {9}  # C is bin 0, A is bin 9


def test_a_tone_lights_the_mel_band_around_it() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    centres = librosa.mel_frequencies(n_mels=42, fmin=0, fmax=RATE / 2)[1:-1]
    mel = extract(tone, framed(Mel(n_mels=40)))[0].mean(axis=0)
    assert mel.argmax() == np.abs(centres - 1000).argmin()


def test_doubling_the_level_adds_six_decibels() -> None:
    spec = framed(Mel(n_mels=40, scale="db"))
    quiet, loud = extract(noise(1.0), spec), extract(2 * noise(1.0), spec)
    np.testing.assert_allclose(loud - quiet, 20 * np.log10(2), atol=1e-3)


def test_silence_is_finite() -> None:
    features = extract(np.zeros(RATE, np.float32), SEED_SPEC)
    assert np.isfinite(features).all()
    np.testing.assert_array_equal(features[0, 0, 40:], 0)


@pytest.mark.parametrize("samples", [1, 31, 511, 2048])
def test_the_shortest_clips_have_features(samples: int) -> None:
    assert np.isfinite(extract(noise(1.0)[:samples], SEED_SPEC)).all()


def test_no_samples_are_refused() -> None:
    with pytest.raises(EmptyAudioError):
        extract(np.empty(0, np.float32), SEED_SPEC)


@pytest.mark.parametrize(("seconds", "windows"), [(0.2, 1), (1.0, 1), (1.01, 2), (1.5, 2), (1.6, 3), (10.0, 19)])
def test_windows_cover_the_clip(seconds: float, windows: int) -> None:
    spec = framed(Mel(n_mels=40))
    features = extract(noise(seconds), spec)
    assert features.shape[1:] == (spec.frames, spec.bins)
    assert abs(features.shape[0] - windows) <= 1


@pytest.mark.parametrize("seconds", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("n_fft", [2047, 513, 65])
def test_an_odd_transform_gives_inputs_of_the_specs_shape(n_fft: int, seconds: float) -> None:
    # 16,000 samples are a whole number of hops, where an odd transform has a frame less than an even one.
    spec = framed(Mel(n_mels=10), Chroma(), stride_s=0.48).model_copy(
        update={"n_fft": n_fft, "win_length": 65, "hop_length": 320}
    )
    features = extract(noise(seconds), spec)
    assert features.shape[1:] == (spec.frames, spec.bins) == (50, 22)
    assert len(window_spans(int(seconds * RATE), spec)) == len(features)


@pytest.mark.parametrize("frames", [1, 32, 33, 47, 48, 49, 500])
def test_windows_leave_no_frame_out(frames: int) -> None:
    spec = framed(Mel(n_mels=40))
    windows = Windows(spec)
    silence = np.zeros((frames - 1) * spec.hop_length, np.float32)
    starts = [window.first for window in [*windows.add(silence), *windows.end()]]
    covered = {start + n for start in starts for n in range(spec.window_frames)}
    assert set(range(frames)) <= covered
    assert starts[-1] == max(0, frames - spec.window_frames)
    assert starts == sorted(set(starts))


def test_the_first_window_is_that_of_the_clip_cut_there() -> None:
    spec = framed(Mel(n_mels=40))
    long, short = extract(noise(3.0), spec), extract(noise(3.0)[: 2 * RATE], spec)
    inner = slice(0, spec.frames - 4)
    np.testing.assert_allclose(long[0, inner], short[0, inner], rtol=1e-5)


def test_mean_and_deviation_double_the_bins() -> None:
    spec = SEED_SPEC.model_copy(update={"aggregate": "mean_std"})
    features = extract(noise(2.0), spec)
    assert features.shape == (1, 1, 360)
    np.testing.assert_allclose(features[0, 0, :180], extract(noise(2.0), SEED_SPEC)[0, 0], rtol=1e-6)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 5.99, 6.0, 6.01, 9.0, 9.01, 19.37])
@pytest.mark.parametrize("spec", [SEED_SPEC, SEED_SPEC.model_copy(update={"window_s": 0.1, "stride_s": 0.05})])
def test_spans_are_the_windows_times_within_the_clip(spec: FeatureSpec, seconds: float) -> None:
    samples = noise(seconds)
    spans = window_spans(samples.size, spec)
    assert len(spans) == len(extract(samples, spec))
    assert spans[0][0] == 0
    assert spans[-1][1] == samples.size / RATE
    assert all(0 <= start <= end <= samples.size / RATE for start, end in spans)
    assert all(after[0] <= before[1] for before, after in pairwise(spans))
