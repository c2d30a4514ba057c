"""Features of a data set, cached by what was heard and how it was listened to."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from speech_emotion.audio import load
from speech_emotion.errors import AudioError
from speech_emotion.features import FeatureSpec, extract
from training_pipeline.cache import kept_array
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.errors import DataError
from training_pipeline.identity import identity, packages_of, software, sources
from training_pipeline.progress import Progress, no_progress
from training_pipeline.training.examples import Examples

Array = npt.NDArray[np.float32]
HEARD_BY = ("speech_emotion.audio", "speech_emotion.features")
"""The code that features follow from, but for the blocks of other distributions."""


def examples_of(
    data: DataSet, spec: FeatureSpec, cache: Path | None = None, progress: Progress = no_progress, workers: int = 1
) -> Examples:
    """All of a data set with its features; see `extract_all`."""
    return Examples.of(data, extract_all(data.clips, spec, cache, progress, workers))


def heard_by(spec: FeatureSpec) -> tuple[str, ...]:
    """The packages whose code makes the features of `spec`."""
    return (*HEARD_BY, *packages_of(*spec.blocks))


def extract_all(
    clips: Sequence[Clip],
    spec: FeatureSpec,
    cache: Path | None = None,
    progress: Progress = no_progress,
    workers: int = 1,
) -> list[Array]:
    """Features `[windows, frames, bins]` of each clip, in so many processes.

    Raises DataError naming a clip that cannot be read.
    """
    folder = cache and cache / identity(spec.fingerprint, sources(*heard_by(spec)), software())
    if workers <= 1:
        return [_counted(_features(clip, spec, folder), progress) for clip in clips]
    # Spawned, not forked: TensorFlow's threads do not survive a fork.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _end_with_parent) as pool:
        found = pool.map(_features, clips, repeat(spec), repeat(folder), chunksize=8)
        return [_counted(features, progress) for features in found]


def _end_with_parent() -> None:
    """A worker whose parent was ended by a signal would wait for the next clip for ever."""
    if parent := multiprocessing.parent_process():

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, name="parent", daemon=True).start()


def _counted(features: Array, progress: Progress) -> Array:
    progress()
    return features


def _features(clip: Clip, spec: FeatureSpec, folder: Path | None) -> Array:
    data = clip.read()
    try:
        return kept_array(
            folder and folder / f"{hashlib.sha256(data).hexdigest()}.npy", partial(_extracted, data, spec)
        )
    except AudioError as error:
        raise DataError(f"{clip.path}: {error}") from error


def _extracted(data: bytes, spec: FeatureSpec) -> Array:
    # With another number of threads the last bits differ, and with them what a network learns.
    with threadpool_limits(1, user_api="blas"):
        return extract(load(data, spec.sample_rate), spec)
