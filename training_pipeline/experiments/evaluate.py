"""Cross-validations of one model or several, written as predictions, JSON, pictures and a page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from training_pipeline.cache import bounded, caches_below
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.folds import (
    Fold,
    random_folds,
    require_emotions,
    require_speakers,
    require_taught,
    speaker_folds,
    test_speakers,
)
from training_pipeline.data.readers import read_to_train
from training_pipeline.data.validate import require_sound
from training_pipeline.errors import DataError
from training_pipeline.evaluation.across import add_across, measure_across
from training_pipeline.evaluation.chance import beside_chance
from training_pipeline.evaluation.cross_validate import cross_validate, heard_in_folds, leave_corpora_out
from training_pipeline.evaluation.figures import Predictions, measure_pooled
from training_pipeline.evaluation.predictions import Run, add_run, require_room
from training_pipeline.jobs import resolve
from training_pipeline.networks.registry import NETWORKS
from training_pipeline.progress import Bar, no_bar
from training_pipeline.reports import across as across_report
from training_pipeline.reports import markdown, pictures
from training_pipeline.reports.file_names import file_name
from training_pipeline.reports.kept import ACROSS, PREDICTIONS
from training_pipeline.robustness.measure import Robustness
from training_pipeline.training.checkpoints import checkpoints
from training_pipeline.training.examples import Examples
from training_pipeline.training.features import examples_of
from training_pipeline.training.job import Job

UNHEARD, RANDOM = "unheard_speakers", "random_split"
ROBUSTNESS = "robustness.json"


@dataclass(frozen=True)
class Evaluation:
    """What to train and test: `models` (all registered ones, if none is named) on `data`, written to `output`.

    Clips that are marked `test` are left out, as `ser train` leaves them out: figures and version have the same clips.

    With `leave_one_corpus_out` also models of all corpora but one, tested on that one. With `random_split` beside
    unheard speakers also a split that shares speakers; with `robustness` also at most `robustness_clips` clips of each
    fold made worse, and sounds without speech. Checkpoints stay under `checkpoints`, or are deleted once all is done.
    `cache` has the features; see `cache.bounded`.
    """

    data: Sequence[Path]
    output: Path
    cache: Path
    cache_max_bytes: int
    models: Sequence[str] = ()
    seed: int = 0
    random_split: bool = True
    leave_one_corpus_out: bool = False
    robustness: bool = False
    robustness_clips: int | None = None
    checkpoints: Path | None = None


@dataclass(frozen=True)
class Evaluated:
    """Figures of each model by protocol, of its robustness, and of each corpus."""

    results: dict[str, dict[str, Any]]
    robustness: dict[str, dict[str, Any]]
    across: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def table(self) -> str:
        """As Markdown."""
        tables = across_report.across_tables(self.across) + markdown.robustness_tables(self.robustness)
        return markdown.summary_table(self.results) + tables

    def to_json(self) -> str:
        """The figures by model and protocol, with several corpora also those of each."""
        across = {name: {"across": corpora} for name, corpora in self.across.items()}
        return json.dumps({name: {**protocols, **across.get(name, {})} for name, protocols in self.results.items()})


def evaluate(asked: Evaluation, bar: Bar = no_bar) -> Evaluated:
    """Train and test by five folds, or by as many as there are speakers; an interrupted call resumes.

    Raises DataError, also for fewer than three speakers and for recordings that `require_sound` refuses, and
    UnknownModelError.
    """
    data = read_to_train(asked.data)
    if asked.leave_one_corpus_out:
        _require_others(data)
    jobs = [resolve(name, data, asked.seed, trials=True, measured=True) for name in asked.models or NETWORKS.names()]
    require_speakers(data.clips, 3, "To train and calibrate on some speakers and test on others")
    require_emotions(data.clips)
    splits = {UNHEARD: speaker_folds(data.clips)}
    require_taught(data.clips, splits[UNHEARD])
    for job in jobs:
        require_room(asked.output / job.network.name / PREDICTIONS, job.seed, data)
    splits |= {RANDOM: random_folds(data.clips, seed=asked.seed)} if asked.random_split else {}
    require_sound(data, bar)
    done = Evaluated({}, {})
    with bounded(caches_below(asked.cache), asked.cache_max_bytes):
        for job in jobs:
            _evaluate_one(job, splits, asked, done, bar)
    _write_summary(asked, jobs, splits[UNHEARD], done)
    return done


def _require_others(data: DataSet) -> None:
    """Raise DataError unless the others of each corpus teach two emotions; one alone would be a right answer always."""
    if len(data.corpora) < 2:
        raise DataError("to leave one corpus out, two are needed: give --data for each, or fill the column `corpus`")
    names = [corpus.name for corpus in data.corpora]
    for name in names:
        emotions = data.of_corpora(other for other in names if other != name).emotions
        if len(emotions) < 2:
            raise DataError(
                f"to leave out {name}, the other corpora need clips of 2 emotions; theirs are all {''.join(emotions)}"
            )


def _evaluate_one(job: Job, splits: Mapping[str, Sequence[Fold]], asked: Evaluation, done: Evaluated, bar: Bar) -> None:
    name, folder = job.network.name, asked.output / job.network.name
    with bar(f"features of {name}", len(job.data.clips)) as step:
        examples = examples_of(job.data, job.network.spec, asked.cache / "features", step)
    robustness = Robustness(job.network.spec, job.seed, asked.robustness_clips) if asked.robustness else None
    predicted = _cross_validate_all(job, examples, splits, asked, robustness, bar)
    done.results[name] = {protocol: _figures(p, examples) for protocol, p in predicted.items()}
    add_run(folder / PREDICTIONS, Run(job.seed, examples, predicted[UNHEARD]))
    if len(job.data.corpora) > 1:
        _write_across(job, examples, predicted[UNHEARD], asked, done, bar)
    if robustness:
        done.robustness[name] = robustness.summary()
        (folder / ROBUSTNESS).write_text(json.dumps(done.robustness[name], indent=1) + "\n")
    figure = asked.output / file_name("confusion", name)
    pictures.confusion(done.results[name][UNHEARD], job.data.emotions, f"{name}, unheard speakers", figure)


def _figures(predictions: Predictions, examples: Examples) -> dict[str, Any]:
    majority = Counter(clip.emotion for clip in examples.clips).most_common(1)[0][0]
    right = predictions.probabilities.argmax(axis=1) == examples.targets
    return {**measure_pooled(predictions, examples), **beside_chance(right, examples, majority)}


def _cross_validate_all(
    job: Job,
    examples: Examples,
    splits: Mapping[str, Sequence[Fold]],
    asked: Evaluation,
    robustness: Robustness | None,
    bar: Bar,
) -> dict[str, Predictions]:
    kept = asked.checkpoints
    tested = {UNHEARD: robustness} if robustness else {}
    with (
        checkpoints(job, kept or asked.cache / "training", keep=kept is not None) as folder,
        bar(f"training {job.network.name}", sum(map(len, splits.values()))) as step,
    ):
        return {
            protocol: cross_validate(job.network, examples, folds, job.seed, step, folder, tested.get(protocol))
            for protocol, folds in splits.items()
        }


def _write_across(
    job: Job, examples: Examples, unheard: Predictions, asked: Evaluation, done: Evaluated, bar: Bar
) -> None:
    parts = heard_in_folds(unheard, examples, job.seed)
    if asked.leave_one_corpus_out:
        kept = asked.checkpoints
        with (
            checkpoints(job, kept or asked.cache / "training", keep=kept is not None) as folder,
            bar(f"training {job.network.name} without a corpus", len(job.data.corpora)) as step,
        ):
            trained_on = [part for part in parts if not part.left_out]
            parts = trained_on + leave_corpora_out(job.network, examples, job.seed, step, folder)
    add_across(asked.output / job.network.name / ACROSS, parts)
    done.across[job.network.name] = measure_across(parts)


def _write_summary(asked: Evaluation, jobs: Sequence[Job], folds: Sequence[Fold], done: Evaluated) -> None:
    data = jobs[0].data
    # What a version must have in common with the models that were measured, for its card to have these figures.
    measured = {
        "data": {"digest": data.digest, "clips": len(data.clips)},
        "pretrained": {job.network.name: job.network.provenance() for job in jobs},
        "folds": test_speakers(data.clips, folds),
    }
    summary = {"seed": asked.seed, "labels": data.emotions, **measured, "models": done.results, "across": done.across}
    (asked.output / "results.json").write_text(json.dumps(summary, indent=1) + "\n")
    page = markdown.page(done.results, f"{len(data.clips)} clips", asked.seed)
    tables = across_report.across_tables(done.across) + markdown.robustness_tables(done.robustness)
    (asked.output / "README.md").write_text(page + tables)
