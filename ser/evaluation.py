"""`ser evaluate --retrain`: cross-validations, written as predictions, JSON, pictures and a page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ser.checkpoints import checkpoints
from ser.output import progress
from training_pipeline.data.folds import Fold, random_folds, speaker_folds
from training_pipeline.data.source import read_data
from training_pipeline.evaluation.evaluate import Predictions, cross_validate, measure
from training_pipeline.evaluation.predictions import Run, read_predictions, write_predictions
from training_pipeline.networks.registry import NETWORKS, Network, find
from training_pipeline.reports import markdown, pictures
from training_pipeline.reports.kept import PREDICTIONS
from training_pipeline.robustness.measure import Robustness
from training_pipeline.training.features import extract_all
from training_pipeline.training.train import Examples

FOLDS = 5
UNHEARD, RANDOM = "unheard_speakers", "random_split"
ROBUSTNESS = "robustness.json"


@dataclass(frozen=True)
class Options:
    """What is made: a split that shares speakers too, robustness, JSON; checkpoints are kept under a folder."""

    random_split: bool = True
    robustness: bool = False
    robustness_clips: int | None = None
    as_json: bool = False
    checkpoints: Path | None = None


def run(
    data: Path,
    models: list[str] | None,
    output: Path,
    seed: int,
    cache: Path,
    options: Options,
) -> str:
    """Train and test `models` (default: all) on `data`; returns the table, or JSON, to print.

    An interrupted call goes on where it was, a finished one starts anew, unless checkpoints are kept.
    """
    clips, labels = read_data(data)
    networks = [find(name, trials=True) for name in models or NETWORKS.names()]
    splits = {UNHEARD: speaker_folds(clips, FOLDS)}
    splits |= {RANDOM: random_folds(clips, FOLDS, seed)} if options.random_split else {}
    results: dict[str, dict[str, Any]] = {}
    robust: dict[str, dict[str, Any]] = {}
    for network in networks:
        with progress(f"features of {network.name}", len(clips)) as step:
            examples = Examples.of(clips, extract_all(clips, network.spec, cache, step), labels)
        robustness = Robustness(network.spec, seed, options.robustness_clips) if options.robustness else None
        predicted = _cross_validate_all(network, examples, splits, seed, options.checkpoints, cache.parent, robustness)
        results[network.name] = {protocol: measure(p, examples) for protocol, p in predicted.items()}
        _write(output / network.name / PREDICTIONS, Run(seed, examples, predicted[UNHEARD]))
        if robustness:
            robust[network.name] = robustness.summary()
            (output / network.name / ROBUSTNESS).write_text(json.dumps(robust[network.name], indent=1) + "\n")
        figure = output / markdown.file_name("confusion", network.name)
        pictures.confusion(results[network.name][UNHEARD], labels, f"{network.name}, unheard speakers", figure)
    (output / "results.json").write_text(
        json.dumps({"seed": seed, "labels": labels, "models": results}, indent=1) + "\n"
    )
    robust_tables = markdown.robustness_tables(robust)
    (output / "README.md").write_text(markdown.page(results, f"{len(clips)} clips", seed) + robust_tables)
    return json.dumps(results) if options.as_json else markdown.summary_table(results) + robust_tables


def _cross_validate_all(
    network: Network,
    examples: Examples,
    splits: dict[str, list[Fold]],
    seed: int,
    kept: Path | None,
    cache: Path,
    robustness: Robustness | None,
) -> dict[str, Predictions]:
    with (
        checkpoints(kept, cache, network, examples, seed) as folder,
        progress(f"training {network.name}", FOLDS * len(splits)) as step,
    ):
        tested = {UNHEARD: robustness} if robustness else {}
        return {
            protocol: cross_validate(network, examples, folds, seed, step, folder / protocol, tested.get(protocol))
            for protocol, folds in splits.items()
        }


def _write(path: Path, run: Run) -> None:
    """Write a run's predictions beside those of other seeds."""
    kept = [other for other in read_predictions(path) if other.seed != run.seed] if path.is_file() else []
    write_predictions(path, [*kept, run])
