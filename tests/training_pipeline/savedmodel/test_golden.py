"""The golden set: made-up windows that tell models apart, and nobody's speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from speech_emotion.features import SEED_SPEC, WHISPER_SPEC, FeatureSpec, Mel
from training_pipeline.errors import FailedCheckError
from training_pipeline.networks.registry import find
from training_pipeline.savedmodel.export import export
from training_pipeline.savedmodel.golden import PATH, PROVENANCE, golden_windows, read_golden, write_golden
from training_pipeline.training.examples import Examples
from training_pipeline.training.train import train

LOW = FeatureSpec(sample_rate=8_000, window_s=0.5, stride_s=0.25, blocks=(Mel(n_mels=20, scale="db"),))
LONG = FeatureSpec(window_s=20, stride_s=10, padding="zeros", aggregate="none", blocks=(Mel(n_mels=20),))


@pytest.mark.parametrize("spec", [SEED_SPEC, WHISPER_SPEC, LOW, LONG])
def test_windows_follow_from_the_specification_alone(spec: FeatureSpec) -> None:
    windows = golden_windows(spec)
    assert windows.shape[1:] == (spec.frames, spec.bins)
    assert np.isfinite(windows).all()
    assert len(np.unique(windows.reshape(len(windows), -1), axis=0)) == len(windows)
    np.testing.assert_array_equal(windows, golden_windows(spec))


def test_drawn_windows_lie_around_the_mean() -> None:
    statistics = {"mean": [5.0] * 180, "std": [1.0] * 180}
    sounds, windows = golden_windows(SEED_SPEC), golden_windows(SEED_SPEC, statistics)
    np.testing.assert_array_equal(windows[: len(sounds)], sounds)
    drawn = windows[len(sounds) :]
    assert len(drawn) == 2
    assert drawn.mean() == pytest.approx(5, abs=0.1)
    assert drawn.std() == pytest.approx(0.3, abs=0.05)


def test_an_export_has_the_windows_their_provenance_and_what_training_answers(
    examples: Examples, tmp_path: Path
) -> None:
    trained = train(find("mlp"), examples, seed=0)
    export(trained, SEED_SPEC, examples.emotions, {}, tmp_path / "1")
    with np.load(tmp_path / "1" / PATH, allow_pickle=False) as arrays:
        assert str(arrays["provenance"]) == PROVENANCE
        np.testing.assert_array_equal(arrays["features"], golden_windows(SEED_SPEC))
        expected = trained.predict([window[np.newaxis] for window in arrays["features"]])
        np.testing.assert_allclose(arrays["probabilities"], expected, atol=1e-6)


def test_a_golden_set_reads_back_and_one_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "assets.extra").mkdir()
    write_golden(tmp_path, np.ones((2, 1, 3), np.float32), lambda windows: windows[:, 0, :2])
    features, probabilities = read_golden((tmp_path / PATH).read_bytes())
    assert (features.shape, probabilities.tolist()) == ((2, 1, 3), [[1, 1], [1, 1]])
    for data, message in ((None, "has no"), (b"PK no archive", "cannot be read")):
        with pytest.raises(FailedCheckError, match=message):
            read_golden(data)
