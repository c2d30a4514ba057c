"""One model on every clip, exported with its card."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training_pipeline.cache import bounded, caches_below
from training_pipeline.data.dataset import read_data
from training_pipeline.data.facts import UNKNOWN, UNNAMED
from training_pipeline.errors import DataError
from training_pipeline.progress import Bar, no_bar
from training_pipeline.savedmodel.card import make_card
from training_pipeline.savedmodel.version import write_version
from training_pipeline.training.checkpoints import checkpoints
from training_pipeline.training.features import examples_of
from training_pipeline.training.job import Job
from training_pipeline.training.train import train


@dataclass(frozen=True)
class Training:
    """What to train: `model` on all of `data`, into the SavedModel `folder`.

    `evaluation` is the `results.json` of an evaluation, for the card; checkpoints stay under `checkpoints`, or are
    deleted once all is done. `cache` has the features; see `cache.bounded`.
    """

    data: Path
    model: str
    folder: Path
    cache: Path
    cache_max_bytes: int
    seed: int = 0
    evaluation: Path | None = None
    data_name: str = UNNAMED
    licence: str = UNKNOWN
    checkpoints: Path | None = None


def train_on_all(asked: Training, bar: Bar = no_bar) -> None:
    """Train and write the SavedModel; an interrupted call goes on where it was.

    Raises FileExistsError if the folder is there, DataError, UnknownModelError.
    """
    if asked.folder.exists():
        raise FileExistsError(f"{asked.folder} is there already")
    job = Job.resolve(asked.model, read_data(asked.data), asked.seed, asked.data_name, asked.licence)
    metrics = {}
    if asked.evaluation is not None:
        metrics = json.loads(asked.evaluation.read_text())["models"].get(asked.model)
        if metrics is None:
            raise DataError(f"{asked.evaluation} has no figures of {asked.model}")
    with bounded(caches_below(asked.cache), asked.cache_max_bytes):
        _train(asked, job, metrics, bar)


def _train(asked: Training, job: Job, metrics: dict[str, Any], bar: Bar) -> None:
    with bar("features", len(job.data.clips)) as step:
        examples = examples_of(job.data, job.network.spec, asked.cache / "features", step)
    kept = asked.checkpoints
    with checkpoints(job, kept or asked.cache / "training", keep=kept is not None) as folder:
        trained = train(job.network, examples, job.seed, folder)
        write_version(asked.folder, job, trained, make_card(job, examples, trained, metrics))
