"""Sounds without speech to learn from."""

from __future__ import annotations

import numpy as np
import pytest

from speech_emotion.features import WHISPER_SPEC
from training_pipeline.data.not_speech import coloured_noise, machine, music, not_speech, windows_without_speech


@pytest.mark.parametrize("make", [coloured_noise, music, machine, not_speech])
@pytest.mark.parametrize("seconds", [1.0, 3.7])
def test_every_sound_is_finite_and_within_full_scale(make, seconds: float) -> None:
    for seed in range(12):
        sound = make(int(seconds * 16_000), 16_000, np.random.default_rng(seed))
        assert sound.shape == (int(seconds * 16_000),)
        assert 0.01 < np.abs(sound).max() <= 1, seed


def test_the_same_windows_are_made_each_time_and_none_twice() -> None:
    windows = windows_without_speech(4, WHISPER_SPEC)
    assert windows.shape == (4, WHISPER_SPEC.frames, WHISPER_SPEC.bins)
    np.testing.assert_array_equal(windows, windows_without_speech(4, WHISPER_SPEC))
    assert len({window.tobytes() for window in windows}) == 4
