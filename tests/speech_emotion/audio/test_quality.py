from __future__ import annotations

import numpy as np
import pytest
import soundfile

from speech_emotion.audio import AudioInfo, QualityLimits
from speech_emotion.audio.quality import at_full_scale, warnings_of
from speech_emotion.features import SEED_SPEC
from speech_emotion.hearing import hear
from training_pipeline.data.synthetic import RATE, voice

LIMITS = QualityLimits()
LOUD = voice(3.0, 180.0, 0.04, seed=1)[np.newaxis]


@pytest.mark.parametrize(
    ("full_scale", "rate", "loudest_dbfs", "expected"),
    [
        (0.0, RATE, -20.0, ()),
        (0.0, RATE, -54.9, ()),
        (0.0, RATE, -55.1, ("very_quiet",)),
        (0.002, RATE, -10.0, ("clipped",)),
        (0.001, 8_000, -20.0, ("low_sample_rate",)),
        (0.0011, 8_000, -60.0, ("clipped", "very_quiet", "low_sample_rate")),
    ],
)
def test_each_warning_has_its_cause(
    full_scale: float, rate: int, loudest_dbfs: float, expected: tuple[str, ...]
) -> None:
    assert warnings_of(full_scale, rate, RATE, loudest_dbfs, LIMITS) == expected


def test_one_sample_in_a_thousand_may_be_at_full_scale() -> None:
    samples = np.zeros((2, 1_000), np.float32)
    samples[0, :2] = 1.0
    info = AudioInfo("WAV", "PCM_16", RATE, *samples.shape)
    assert "clipped" not in hear(samples, info, SEED_SPEC, LIMITS).warnings
    samples[1, 0] = -0.99
    assert at_full_scale(samples) == 3
    assert "clipped" in hear(samples, info, SEED_SPEC, LIMITS).warnings


def warnings(samples: np.ndarray) -> tuple[str, ...]:
    info = AudioInfo("WAV", "PCM_16", RATE, 1, samples.size)
    return hear(np.asarray(samples, np.float32)[np.newaxis], info, SEED_SPEC, LIMITS).warnings


def test_speech_is_very_quiet_whatever_loud_sound_comes_before_it() -> None:
    quiet = LOUD[0] * 0.005
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE)
    assert warnings(quiet) == ("very_quiet",)
    assert warnings(np.concatenate([tone, quiet])) == ("very_quiet",)
    assert warnings(np.concatenate([tone, LOUD[0]])) == ()
    assert warnings(tone) == ()


@pytest.mark.parametrize("recordings", ["ravdess_dir", "originals_dir"])
def test_hardly_a_recording_of_ravdess_has_a_warning(request: pytest.FixtureRequest, recordings: str) -> None:
    folder = request.getfixturevalue(recordings)
    paths = sorted(path for path in folder.glob("**/*") if path.suffix in (".flac", ".wav"))
    found: list[str] = []
    for path in paths[::10] if len(paths) > 100 else paths:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
        info = AudioInfo("WAV", "PCM_16", rate, samples.shape[1], len(samples))
        found += hear(samples.T, info, SEED_SPEC, LIMITS).warnings
    assert set(found) <= {"very_quiet"}
    assert len(found) <= max(1, len(paths) // 100)
