"""A golden set travels with a version: features of made-up sounds, and the probabilities that training saw for them.

No window is of a recording: a log-mel can largely be turned back into what was said, and into whose voice said it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from speech_emotion.features import FeatureSpec, extract
from training_pipeline.data.not_speech import not_speech
from training_pipeline.data.synthetic import voice
from training_pipeline.errors import FailedCheckError

PATH = "assets.extra/golden.npz"
TOLERANCE = 1e-4
PROVENANCE = (
    "made up: sounds from formulas, and random numbers around the mean of the features in the card; of nobody's speech"
)
LONGEST_S = 4.0
PITCHES_HZ = (100, 140, 180, 220)
SOUNDS, DRAWN = 2, 2
DEVIATIONS = 0.3
"""Of the drawn windows from the mean. Far from it a network may be so sure that no fault would show."""

Array = npt.NDArray[np.float32]


def golden_windows(spec: FeatureSpec, statistics: Mapping[str, Sequence[float]] | None = None) -> Array:
    """Windows `[n, frames, bins]`, always the same: voice-like sounds, sounds without speech, and drawn features.

    `statistics` are `mean` and `std` of every bin, as in a card; without them no features are drawn. Values have eight
    significant bits, so that the file is small.
    """
    seconds, rate = min(spec.window_s, LONGEST_S), spec.sample_rate
    sounds = [voice(seconds, pitch, 0.02 + pitch / 5_000, pitch, rate) for pitch in PITCHES_HZ]
    sounds += [not_speech(int(seconds * rate), rate, np.random.default_rng(n)) for n in range(SOUNDS)]
    windows = [extract(sound, spec)[0] for sound in sounds]
    if statistics is not None:
        mean, deviation = (np.asarray(statistics[name], np.float32) for name in ("mean", "std"))
        drawn = np.random.default_rng(0).normal(0, DEVIATIONS, (DRAWN, spec.frames, spec.bins))
        windows += [np.asarray(mean + deviation * values, np.float32) for values in drawn]
    return (np.stack(windows).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def write_golden(folder: Path, windows: Array, model: Callable[[Array], npt.NDArray[np.floating]]) -> None:
    """Keep windows, what `model` makes of them `[n, emotions]`, and where they are from in the SavedModel `folder`."""
    path = folder / PATH
    path.parent.mkdir(exist_ok=True)
    probabilities = np.asarray(model(windows), np.float32)
    np.savez_compressed(path, features=windows, probabilities=probabilities, provenance=np.array(PROVENANCE))


def read_golden(data: bytes | None) -> tuple[Array, Array]:
    """Features `[n, frames, bins]` and probabilities `[n, emotions]`. Raises FailedCheckError if there are none."""
    if data is None:
        raise FailedCheckError(f"the version has no {PATH}")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            return arrays["features"], arrays["probabilities"]
    except (ValueError, KeyError, OSError) as error:
        raise FailedCheckError(f"{PATH} cannot be read: {error}") from error
