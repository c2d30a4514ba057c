"""Features, train and evaluate in one work folder, where an interrupted or repeated run finds what it had."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training_pipeline.cache import bounded, in_use, work_caches
from training_pipeline.data.folds import require_taught, speaker_folds
from training_pipeline.identity import identity, sources
from training_pipeline.progress import Bar, no_bar
from training_pipeline.reports.candidate import is_report
from training_pipeline.retraining import steps
from training_pipeline.retraining.features import make_features
from training_pipeline.savedmodel.card import PACKAGES
from training_pipeline.savedmodel.trained import load_trained
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job

_VERSION, _REPORT = "version", "report"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """What was made: the examples that it was measured on, the version as a store takes it, and its report.

    `folder` is the job's own; the next run of the same job finds it again.
    """

    examples: Examples
    version: Path
    report: Path
    folder: Path


@contextmanager
def candidate(
    job: Job,
    work: Path,
    *,
    folds: int,
    workers: int,
    cache_max_bytes: int,
    heard: Path | None = None,
    bar: Bar = no_bar,
) -> Iterator[Candidate]:
    """Make the candidate of a job below `work`, and keep it from being pruned while the block runs.

    What was made from the same data, model, seed and code is not made again. `heard` is a folder of examples that
    other tasks made. Afterwards the least recently used work is deleted down to `cache_max_bytes`. Raises
    SpeechEmotionError.
    """
    if folds:
        require_taught(job.data.clips, speaker_folds(job.data.clips, folds))
    folder = work / job.folder_name
    with bounded(work_caches(work), cache_max_bytes), in_use(folder):
        examples = _examples(job, heard or folder / "examples", work / "cache", workers, bar)
        made = _made(job, examples, folder, folds, bar)
        yield Candidate(examples, made / _VERSION, made / _REPORT, folder)


def _examples(job: Job, folder: Path, cache: Path, workers: int, bar: Bar) -> Examples:
    if not folder.is_dir():
        with bar("features", len(job.data.clips)) as step:
            make_features(job, folder, cache=cache, workers=workers, progress=step)
    return Examples.load(folder, job.data)


def _made(job: Job, examples: Examples, folder: Path, folds: int, bar: Bar) -> Path:
    """The folder with the candidate's version and its report, made unless they are there.

    It follows from the job, the card's facts, the report's folds, and all of the code.
    """
    if not (trained := folder / "trained").is_dir():
        _log.info("train %s", job.network.name)
        steps.train_model(job, examples, trained, folder / "checkpoints" / "train")
    facts = (job.facts.name, job.facts.licence)
    made = folder / f"candidate-{identity(job.identity, *facts, folds, sources(*PACKAGES))}"
    if not ((made / _VERSION).is_dir() and is_report(made / _REPORT)):
        with bar("evaluate", folds) as step:
            steps.evaluate_model(
                job,
                examples,
                load_trained(trained),
                made / _VERSION,
                made / _REPORT,
                folds=folds,
                checkpoints=folder / "checkpoints" / "folds",
                progress=step,
            )
    return made
