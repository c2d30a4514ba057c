"""One model on every clip that is not marked `test`, exported with its card."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from speech_emotion.errors import FileTooLargeError
from speech_emotion.input_files import read_at_most
from training_pipeline.cache import bounded, caches_below
from training_pipeline.data.facts import UNKNOWN, UNNAMED
from training_pipeline.data.folds import require_emotions
from training_pipeline.data.readers import read_to_train
from training_pipeline.data.validate import require_sound
from training_pipeline.errors import DataError
from training_pipeline.jobs import require_model, resolve
from training_pipeline.networks.names import HEAD
from training_pipeline.progress import Bar, no_bar
from training_pipeline.savedmodel.card import make_card
from training_pipeline.savedmodel.version import write_version
from training_pipeline.savedmodel.whole import whole
from training_pipeline.training.checkpoints import checkpoints
from training_pipeline.training.features import examples_of
from training_pipeline.training.job import Job
from training_pipeline.training.train import train

MAX_FIGURES_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Training:
    """What to train: `model` on the data sets `data`, but for clips marked `test`, into the SavedModel `folder`.

    `model` None is `head`: the encoder of `start_from`, a version, by default the one that ships, and a new classifier.
    With `start_from`, `model` is `head`, or None, or what the version is of.
    `evaluation` is the `results.json` of an evaluation of this very model on this very data, for the card; checkpoints
    stay under `checkpoints`, or are deleted once all is done. `cache` has the features; see `cache.bounded`.
    """

    data: Sequence[Path]
    model: str | None
    folder: Path
    cache: Path
    cache_max_bytes: int
    seed: int = 0
    evaluation: Path | None = None
    data_name: str = UNNAMED
    licence: str = UNKNOWN
    checkpoints: Path | None = None
    start_from: Path | None = None


def train_on_all(asked: Training, bar: Bar = no_bar) -> None:
    """Train and write the SavedModel; an interrupted call resumes.

    Raises FileExistsError if the folder is there, DataError, UnknownModelError, WorkFolderError.
    """
    if asked.folder.exists():
        raise FileExistsError(f"{asked.folder} already exists")
    job = _job(asked)
    require_emotions(job.data.clips)
    figures = _figures(asked.evaluation, job) if asked.evaluation else _Figures()
    require_sound(job.data, bar)
    with bounded(caches_below(asked.cache), asked.cache_max_bytes):
        _train(asked, job, figures, bar)


def _job(asked: Training) -> Job:
    data = read_to_train(asked.data)
    model = asked.model
    if asked.start_from is not None:
        require_model(asked.start_from, model)
        model = HEAD
    return resolve(model or HEAD, data, asked.seed, asked.data_name, asked.licence, start_from=asked.start_from)


@dataclass(frozen=True)
class _Figures:
    """Figures by protocol, and the test speakers of each fold that they are of.

    For a model of several corpora, `across` has the figures of each corpus.
    """

    metrics: dict[str, Any] = field(default_factory=dict)
    folds: Sequence[Sequence[str]] = ()


def _figures(path: Path, job: Job) -> _Figures:
    """Those of an evaluation. Raises DataError unless it is one of the job's network on the job's data."""
    model, again = job.network.name, "evaluate this data again (`ser evaluate --retrain`), or leave out --evaluation"
    try:
        found = json.loads(read_at_most(path, MAX_FIGURES_BYTES))
        across = found.get("across", {}).get(model)
        metrics = dict(found["models"][model]) | ({"across": across} if across else {})
        if "data" not in found:
            raise DataError(f"--evaluation {path} does not say which clips it is of, as older ones do not: {again}")
        digest, clips = found["data"]["digest"], int(found["data"]["clips"])
        pretrained = found["pretrained"][model]
        folds = [list(map(str, speakers)) for speakers in found["folds"]]
    except (AttributeError, FileTooLargeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"--evaluation {path} is not an evaluation with figures of {model}") from error
    if digest != job.data.digest:
        own = len(job.data.clips)
        how = f"{clips} others, not these {own}" if clips != own else "others, or of these with other rows or order"
        raise DataError(f"--evaluation {path} has figures of other clips than --data ({how}): {again}")
    if pretrained != job.network.provenance():
        raise DataError(f"--evaluation {path} has figures of a {model} that started from other weights: {again}")
    return _Figures(metrics, folds)


def _train(asked: Training, job: Job, figures: _Figures, bar: Bar) -> None:
    with bar("features", len(job.data.clips)) as step:
        examples = examples_of(job.data, job.network.spec, asked.cache / "features", step)
    kept = asked.checkpoints
    with checkpoints(job, kept or asked.cache / "training", keep=kept is not None) as folder:
        trained = train(job.network, examples, job.seed, folder)
        with whole(asked.folder) as temporary:
            card = make_card(job, examples, trained, figures.metrics, figures.folds)
            write_version(temporary, job, trained, card)
