from __future__ import annotations

import numpy as np
import pytest

from training_pipeline.networks.pretrained.augment import DB, RANGE, Augmentation


@pytest.fixture
def window() -> np.ndarray:
    values = np.random.default_rng(0).uniform(-0.8, 0.8, (200, 80)).astype(np.float32)
    values[150:] = values[:150].max() - RANGE  # the silence behind a short clip
    return values


def test_a_copy_is_decided_by_its_random_numbers_and_leaves_the_window_alone(window: np.ndarray) -> None:
    before = window.copy()
    one, two = (Augmentation()(window, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(window, before)
    assert one.shape == window.shape
    assert one.dtype == np.float32
    assert np.abs(one - window).max() > 0


@pytest.mark.parametrize("seed", range(20))
def test_copies_stay_within_the_scales_range(window: np.ndarray, seed: int) -> None:
    copy = Augmentation()(window, np.random.default_rng(seed))
    assert np.isfinite(copy).all()
    assert np.ptp(copy) <= RANGE + 1e-5


def test_nothing_changes_but_the_level_if_every_share_is_none(window: np.ndarray) -> None:
    augment = Augmentation(often=0, rarely=0, level_db=3)
    difference = augment(window, np.random.default_rng(0)) - window
    assert np.ptp(difference) < 1e-6
    assert abs(difference.mean()) <= 3 * DB


def test_noise_lifts_silence_to_its_level_and_no_further(window: np.ndarray) -> None:
    augment = Augmentation(noise_db=(20, 20))
    noisy = augment.noise(window, np.random.default_rng(0))
    mean = 10 * np.log10((10 ** (4 * window)).mean())
    lifted = 10 * np.log10((10 ** (4 * noisy[150:])).mean())
    assert lifted == pytest.approx(mean - 20, abs=6)  # the slope of the noise moves its mean


def test_reverberation_falls_by_its_time() -> None:
    augment = Augmentation(reverb_s=(0.5, 0.5))
    click = np.full((100, 80), -4.0, np.float32)
    click[10] = 0
    tail = augment._reverb(click, np.random.default_rng(0))[:, 0]
    assert (tail[11] - tail[21]) / DB == pytest.approx(60 * 0.1 / 0.5, abs=0.1)  # 60 dB in half a second


def test_a_faster_window_ends_in_silence(window: np.ndarray) -> None:
    augment = Augmentation(tempo=0.0)
    np.testing.assert_allclose(augment._tempo(window, np.random.default_rng(0)), window, atol=1e-6)


def test_a_narrow_channel_has_nothing_above_its_cutoff(window: np.ndarray) -> None:
    narrow = Augmentation(cutoff=(60, 61))._narrow(window, np.random.default_rng(0))
    assert (narrow[:, 60:] == window.min()).all()
    np.testing.assert_array_equal(narrow[:, :60], window[:, :60])
