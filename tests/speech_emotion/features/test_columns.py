"""Columns are those of librosa's transform, and what is made of one is made once."""

from __future__ import annotations

import librosa
import numpy as np
import pytest

from speech_emotion.features import SEED_SPEC, WHISPER_SPEC, FeatureSpec, Spectrum
from speech_emotion.features.columns import Columns

RATE = 16_000
NOISE = np.random.default_rng(0).normal(0, 0.1, 3 * RATE).astype(np.float32)


@pytest.mark.parametrize("spec", [SEED_SPEC, WHISPER_SPEC, WHISPER_SPEC.model_copy(update={"win_length": 301})])
@pytest.mark.parametrize("blocks", [1, 2, 700])
def test_power_is_the_square_of_librosas_magnitude(spec: FeatureSpec, blocks: int) -> None:
    columns = Columns(spec)
    for block in np.array_split(NOISE, blocks):
        columns.add(block)
    columns.end()
    signal = np.pad(NOISE, (0, max(0, spec.window_samples - NOISE.size))) if spec.padding == "zeros" else NOISE
    expected = librosa.stft(
        signal, n_fft=spec.n_fft, hop_length=spec.hop_length, win_length=spec.win_length, pad_mode=spec.pad_mode
    )
    power = columns.power(0, columns.complete)
    np.testing.assert_allclose(power.T, np.abs(expected) ** 2, rtol=1e-4, atol=1e-6 * power.max())


def test_overlapping_windows_share_what_is_made_of_a_column() -> None:
    asked: list[int] = []

    def brightest(power: np.ndarray) -> np.ndarray:
        asked.append(len(power))
        return power.argmax(axis=1, keepdims=True).astype(np.float32)

    columns = Columns(WHISPER_SPEC)
    columns.add(NOISE)
    columns.end()
    whole = columns.power(0, columns.complete).argmax(axis=1)
    for first in range(0, columns.complete - 100, 25):
        found = Spectrum(columns, first, first + 100).per_column("brightest", brightest)
        np.testing.assert_array_equal(found[0], whole[first : first + 100])
    assert sum(asked) == columns.complete
    with pytest.raises(ValueError, match="read-only"):
        found[0, 0] = 1


def test_columns_between_windows_are_not_asked_for_again() -> None:
    columns = Columns(SEED_SPEC)
    columns.add(NOISE)
    columns.end()
    late = Spectrum(columns, 60, 80).per_column("double", lambda power: 2 * power)
    np.testing.assert_array_equal(late.T, 2 * columns.power(60, 80))
