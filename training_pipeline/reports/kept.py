"""`ser evaluate`: kept predictions, and what was measured beside them, as a table, pictures and parts of a page."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from speech_emotion.errors import FileTooLargeError
from speech_emotion.input_files import read_at_most
from training_pipeline.errors import DataError
from training_pipeline.evaluation.across import Heard, measure_across, read_across
from training_pipeline.evaluation.across_gains import across_gains
from training_pipeline.evaluation.cost import Costs, read_costs
from training_pipeline.evaluation.gains import gain
from training_pipeline.evaluation.predictions import (
    Run,
    confidence_of,
    ensemble,
    measure_runs,
    of_first_corpus,
    read_predictions,
)
from training_pipeline.reports import across as across_report
from training_pipeline.reports import markdown, pictures
from training_pipeline.reports.file_names import file_name

PREDICTIONS, ACROSS, COSTS = "predictions.csv", "across.csv", "cost.json"
MEAN = ":mean"
PARTS = (
    "table, short, across MODEL, across MODEL BEFORE, labels MODEL, seeds MODEL ..., steps MODEL MODEL ..., "
    "trials MODEL"
)
MAX_PAGE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Kept:
    """Runs of each model and their figures, the most accurate model first; costs where they were measured.

    `heard` has the answers to each corpus, of models that were measured on several, and `across` their figures. Trials,
    `MODEL/CHANGE`, are only for comparison with a model: `trials` are their runs, `heard_in_trials` their answers.
    """

    runs: dict[str, list[Run]]
    results: dict[str, dict[str, Any]]
    costs: Costs | None
    trials: dict[str, list[Run]] = field(default_factory=dict)
    heard: dict[str, list[Heard]] = field(default_factory=dict)
    heard_in_trials: dict[str, list[Heard]] = field(default_factory=dict)

    @cached_property
    def across(self) -> dict[str, list[dict[str, Any]]]:
        """See `measure_across`."""
        return {name: measure_across(parts) for name, parts in self.heard.items()}

    @property
    def _all_heard(self) -> dict[str, list[Heard]]:
        return self.heard | self.heard_in_trials

    @classmethod
    def read(cls, folder: Path, models: list[str] | None = None) -> Kept:
        """Read `folder/<model>/predictions.csv`, `folder/<model>/<change>/predictions.csv` and `folder/cost.json`.

        A model, or a trial, may also have `across.csv`, with all corpora, or that alone. Of several corpora in its
        predictions the first alone counts, because other models were measured on that one. Raises DataError if a model
        has neither.
        """
        kept = {path.parent.name for name in (PREDICTIONS, ACROSS) for path in folder.glob(f"*/{name}")}
        names = models or sorted(kept)
        missing = [name for name in names if name not in kept]
        if missing or not names:
            raise DataError(f"{folder}: no predictions of {', '.join(missing) or 'any model'}; --retrain makes them")
        predictions = {name: path for name in names if (path := folder / name / PREDICTIONS).is_file()}
        runs = {name: of_first_corpus(read_predictions(path)) for name, path in predictions.items()}
        results = {name: measure_runs(own) for name, own in runs.items()}
        results = dict(sorted(results.items(), key=lambda item: -item[1]["accuracy"]))
        best_first = [*results, *(name for name in names if name not in results)]
        costs = read_costs(folder / COSTS) if (folder / COSTS).is_file() else None
        trials = {name: of_first_corpus(read_predictions(path)) for name, path in _trials(folder, PREDICTIONS).items()}
        corpora = {name: folder / name / ACROSS for name in best_first}
        heard = {name: read_across(path) for name, path in corpora.items() if path.is_file()}
        tried = {name: read_across(path) for name, path in _trials(folder, ACROSS).items()}
        return cls(runs, results, costs, trials, heard, tried)

    def table(self, before: str | None = None) -> str:
        """Accuracy and cost, a row for each model; below it corpora, where several were measured.

        With `before`, a model, also what every other model gains over it on corpora that neither was trained on.
        Raises DataError if that was not measured.
        """
        tables = markdown.predictions_table(self.results, self.costs) if self.results else ""
        tables += across_report.across_tables(self.across)
        if before is None:
            return tables
        if before not in self.heard:
            raise DataError(f"there is no {ACROSS} of {before}, only of {', '.join(self.heard) or 'no model'}")
        return tables + "".join(
            f"\n## `{name}` after `{before}`\n\n{self.part(f'across {name} {before}')}"
            for name in self.heard
            if name != before
        )

    def to_json(self) -> str:
        """The same and more, an object for each model."""
        costs = self.costs.model_dump()["models"] if self.costs else {}
        across = {name: {"across": rows} for name, rows in self.across.items()}
        found = {n: {**figures, "cost": costs.get(n)} for n, figures in self.results.items()}
        return json.dumps({n: {**found.get(n, {}), **across.get(n, {})} for n in {**found, **across}})

    def renew(self, page: Path) -> None:
        """Write every part that `page` has marks for anew.

        Raises OSError, and DataError for a page without marks, with one of another part, or that is no text.
        """
        try:
            text = read_at_most(page, MAX_PAGE_BYTES).decode()
        except (FileTooLargeError, UnicodeDecodeError) as error:
            raise DataError(f"{page} is not a page of text in UTF-8: {error}") from error
        page.write_text(markdown.renew(text, self.part), encoding="utf-8")

    def part(self, name: str) -> str:
        """One of `PARTS`.

        Steps are what each model brings over the one before, where `MODEL:mean` is the mean of what its seeds answer;
        trials what each change to a model brought over it, with the same seeds. Elsewhere trials count as models.

        Raises DataError for anything else.
        """
        match name.split():
            case ["table"]:
                return markdown.predictions_table(self.results, self.costs)
            case ["across", model] if model in self.across:
                return across_report.across_table(self.across[model])
            case ["across", trial] if trial in self.heard_in_trials:
                return across_report.across_table(measure_across(self.heard_in_trials[trial]))
            case ["across", model, before] if model != before and {model, before} <= self._all_heard.keys():
                return across_report.across_gains_table(across_gains(self._all_heard[before], self._all_heard[model]))
            case ["short"]:
                return markdown.short_table(self.results, self.costs)
            case ["labels", model] if model in self.results:
                return markdown.emotions_table(self.results[model]["runs"])
            case ["seeds", *models] if len(set(models)) == len(models) > 0 and self._known(models):
                return markdown.seeds_table({model: measure_runs(self._step(model)) for model in models})
            case ["steps", *models] if len(set(models)) == len(models) > 1 and self._known(models):
                runs = {model: self._step(model) for model in models}
                gains = [gain(runs[before], runs[after]) for before, after in pairwise(models)]
                return markdown.steps_table({name: self._accuracy(name) for name in runs}, gains)
            case ["trials", model] if own := self._trials(model):
                return self._trials_table(model, own)
        raise DataError(f"no part {name!r}: there are {PARTS}")

    def _known(self, models: list[str]) -> bool:
        return {*self.runs, *self.trials} >= {model.removesuffix(MEAN) for model in models}

    def _trials(self, model: str) -> dict[str, list[Run]]:
        return {name: runs for name, runs in self.trials.items() if name.startswith(f"{model}/") and model in self.runs}

    def _trials_table(self, model: str, trials: dict[str, list[Run]]) -> str:
        """Raises DataError unless all trials have the same seeds, and the model these too."""
        seeds = {run.seed for runs in trials.values() for run in runs}
        base = [run for run in self.runs[model] if run.seed in seeds]
        if any(len(runs) != len(seeds) for runs in (base, *trials.values())):
            raise DataError(f"{model} and its trials are compared with the same seeds: {sorted(seeds)} are not of all")
        accuracies = {name: measure_runs(runs)["accuracy"] for name, runs in {model: base, **trials}.items()}
        return markdown.steps_table(accuracies, [gain(base, runs) for runs in trials.values()])

    def _step(self, model: str) -> list[Run]:
        name = model.removesuffix(MEAN)
        runs = self.runs[name] if name in self.runs else self.trials[name]
        return [ensemble(runs)] if model.endswith(MEAN) else runs

    def _accuracy(self, model: str) -> float:
        own = self.results[model] if model in self.results else measure_runs(self._step(model))
        return float(own["accuracy"])

    def draw(self, folder: Path) -> None:
        """Pictures of each model's first seed, and of all models' accuracy against their cost."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, (first, *_) in self.runs.items():
            _draw(name, first, self.results[name]["runs"][0], folder)
        if self.costs and self.costs.models.keys() & self.results.keys():
            pictures.accuracy_against_cost(self.results, self.costs, folder / "accuracy-against-cost.png")


def _draw(model: str, run: Run, measured: dict[str, Any], folder: Path) -> None:
    title = f"{model}, unheard speakers, seed {run.seed}"
    confidence, correct = confidence_of(run)
    pictures.confusion(measured, run.examples.emotions, title, folder / file_name("confusion", model))
    pictures.reliability(confidence, correct, title, folder / file_name("reliability", model))
    pictures.speakers(run.examples.clips, correct, title, folder / file_name("speakers", model))


def _trials(folder: Path, file: str) -> dict[str, Path]:
    """Where each trial has this file."""
    return {path.parent.relative_to(folder).as_posix(): path for path in sorted(folder.glob(f"*/*/{file}"))}
