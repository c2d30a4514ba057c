"""The step that makes features, as a whole or in shards. It does without TensorFlow, whose import takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from training_pipeline.progress import Progress, no_progress
from training_pipeline.savedmodel.whole import whole
from training_pipeline.training.examples import Examples
from training_pipeline.training.features import extract_all
from training_pipeline.training.job import Job


def make_features(
    job: Job,
    folder: Path,
    *,
    cache: Path | None = None,
    workers: int = 1,
    shard: int = 0,
    shards: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Features of every clip as the job's network hears them; with `shards`, of one clip in `shards`."""
    part = replace(job.data, clips=job.data.clips[shard::shards])
    features = extract_all(part.clips, job.network.spec, cache, progress, workers)
    with whole(folder) as temporary:
        Examples.of(part, features).save(temporary, job.data.digest)


def gather_features(shards: Sequence[Path], folder: Path) -> None:
    """Shards of one data set, first one first, to what a single shard would be."""
    parts = [Examples.load(path) for path in shards]
    # Clip number i of shard n is number n + i * shards of the set.
    places = sorted((i, n) for n, part in enumerate(parts) for i in range(len(part.clips)))
    data = replace(parts[0].data, clips=[parts[n].clips[i] for i, n in places])
    with whole(folder) as temporary:
        Examples.of(data, [parts[n].features[i] for i, n in places]).save(temporary, data.digest)
