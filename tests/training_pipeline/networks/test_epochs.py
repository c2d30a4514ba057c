from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training_pipeline.networks import ann, epochs
from training_pipeline.training.examples import Examples


def test_an_interrupted_training_ends_at_the_same_numbers(
    examples: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = examples.windows()
    whole = ann.fit(x, y, len(examples.emotions), seed=3)
    save = epochs._save

    def interrupt(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(epochs, "_save", interrupt)
        with pytest.raises(KeyboardInterrupt):
            ann.fit(x, y, len(examples.emotions), seed=3, checkpoints=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]
    resumed = ann.fit(x, y, len(examples.emotions), seed=3, checkpoints=tmp_path)
    np.testing.assert_array_equal(np.asarray(whole(x)), np.asarray(resumed(x)))
