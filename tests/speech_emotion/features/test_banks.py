"""The banks are librosa's, number by number, and what arithmetic says that they are."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from speech_emotion.features.banks import (
    analysis_window,
    chroma_bank,
    cosine_transform,
    mel_bank,
    mel_frequencies,
)


@pytest.mark.parametrize("n_fft", [64, 401, 512, 2_048])
@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 48_000])
@pytest.mark.parametrize(("n_mels", "fmin", "fmax"), [(80, 0.0, None), (16, 300.0, 3_400.0), (1, 24.0, 4_000.0)])
@pytest.mark.filterwarnings("ignore:Empty filters")
def test_the_mel_bank_is_librosas(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float | None) -> None:
    expected = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin=fmin, fmax=fmax)
    bank = mel_bank(sample_rate, n_fft, n_mels, fmin, fmax)
    np.testing.assert_allclose(bank, expected, rtol=1e-5, atol=1e-6 * expected.max())
    assert bank.dtype == np.float32
    assert not bank.flags.writeable


@pytest.mark.parametrize(("n_chroma", "tuning"), [(12, 0.0), (24, 0.3), (7, -0.5), (1, 0.1), (48, 0.49)])
@pytest.mark.parametrize(("sample_rate", "n_fft"), [(8_000, 64), (16_000, 2_048), (22_050, 401)])
def test_the_chroma_bank_is_librosas(sample_rate: int, n_fft: int, n_chroma: int, tuning: float) -> None:
    expected = librosa.filters.chroma(sr=sample_rate, n_fft=n_fft, n_chroma=n_chroma, tuning=tuning)
    np.testing.assert_allclose(chroma_bank(sample_rate, n_fft, n_chroma, tuning), expected, atol=1e-6)


@pytest.mark.parametrize("win_length", [64, 65, 400])
@pytest.mark.parametrize("window", ["hann", "hamming"])
def test_analysis_windows_are_librosas(window: str, win_length: int) -> None:
    expected = librosa.filters.get_window(window, win_length)
    np.testing.assert_allclose(analysis_window(window, win_length), expected, atol=1e-7)


def test_mel_bands_are_equally_wide_up_to_a_kilohertz() -> None:
    edges = mel_frequencies(58, 0.0, 8_000.0)
    np.testing.assert_allclose(edges, librosa.mel_frequencies(n_mels=60, fmin=0.0, fmax=8_000.0), rtol=1e-12)
    below = np.diff(edges[edges < 1_000])
    np.testing.assert_allclose(below, below[0])
    above = np.diff(np.log(edges[edges > 1_000]))
    np.testing.assert_allclose(above, above[0])


def test_the_cosine_transform_keeps_lengths_and_finds_its_own_rows() -> None:
    whole = cosine_transform(32, 32)
    np.testing.assert_allclose(whole @ whole.T, np.eye(32), atol=1e-6)
    np.testing.assert_array_equal(cosine_transform(5, 32), whole[:5])
    np.testing.assert_allclose(whole @ np.ones(32), [np.sqrt(32), *[0] * 31], atol=1e-5)
