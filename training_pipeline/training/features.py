"""Features of a data set, cached by what was heard and how it was listened to."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from speech_emotion.audio import load
from speech_emotion.errors import AudioError
from speech_emotion.features import FeatureSpec, extract
from speech_emotion.files import whole_file
from training_pipeline.data.manifest import Clip
from training_pipeline.errors import DataError

Array = npt.NDArray[np.float32]


def extract_all(
    clips: Sequence[Clip],
    spec: FeatureSpec,
    cache: Path | None = None,
    progress: Callable[[], None] = lambda: None,
    workers: int = 1,
) -> list[Array]:
    """Features `[windows, frames, bins]` of each clip, in so many processes.

    Raises DataError naming a clip that cannot be read.
    """
    if workers <= 1:
        return [_counted(_features(clip, spec, cache), progress) for clip in clips]
    # Spawned, not forked: TensorFlow's threads do not survive a fork.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        found = pool.map(_features, clips, repeat(spec), repeat(cache), chunksize=8)
        return [_counted(features, progress) for features in found]


def _counted(features: Array, progress: Callable[[], None]) -> Array:
    progress()
    return features


def _features(clip: Clip, spec: FeatureSpec, cache: Path | None) -> Array:
    # With another number of threads the last bits differ, and with them what a network learns.
    try:
        with threadpool_limits(1, user_api="blas"):
            return _cached(clip.path.read_bytes(), spec, cache)
    except AudioError as error:
        raise DataError(f"{clip.path}: {error}") from error


def _cached(data: bytes, spec: FeatureSpec, cache: Path | None) -> Array:
    if cache is None:
        return extract(load(data, spec.sample_rate), spec)
    path = cache / spec.fingerprint[:16] / f"{hashlib.sha256(data).hexdigest()}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    features = extract(load(data, spec.sample_rate), spec)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, features, allow_pickle=False)
    return features
