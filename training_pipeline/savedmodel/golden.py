"""A golden set travels with a version: features, no audio, and the probabilities that training saw for them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training_pipeline.errors import FailedCheckError
from training_pipeline.training.train import Examples, Trained

PATH = "assets.extra/golden.npz"
TOLERANCE = 1e-4

Array = npt.NDArray[np.float32]


def write_golden(folder: Path, trained: Trained, examples: Examples) -> None:
    """Keep the first window of a clip of each label, with its probabilities, in the SavedModel `folder`."""
    firsts = [int(np.flatnonzero(examples.targets == label)[0]) for label in sorted(set(examples.targets.tolist()))]
    features = np.stack([examples.features[index][0] for index in firsts])
    probabilities = trained.predict([feature[np.newaxis] for feature in features])
    path = folder / PATH
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, features=features, probabilities=probabilities.astype(np.float32))


def read_golden(data: bytes | None) -> tuple[Array, Array]:
    """Features `[n, frames, bins]` and probabilities `[n, labels]`. Raises FailedCheckError if there are none."""
    if data is None:
        raise FailedCheckError(f"the version has no {PATH}")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return arrays["features"], arrays["probabilities"]
    except (ValueError, KeyError, OSError) as error:
        raise FailedCheckError(f"{PATH} cannot be read: {error}") from error
