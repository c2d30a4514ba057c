"""`ser evaluate`: cross-validations, written as JSON, pictures and a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ser.output import progress
from training_pipeline.data.folds import random_folds, speaker_folds
from training_pipeline.data.source import read_data
from training_pipeline.evaluate import cross_validate, measure
from training_pipeline.features import extract_all
from training_pipeline.networks.registry import NETWORKS, find
from training_pipeline.reports import markdown, pictures
from training_pipeline.train import Examples

FOLDS = 5


def run(data: Path, models: list[str] | None, output: Path, seed: int, cache: Path, *, as_json: bool) -> str:
    """Evaluate `models` (default: all) on `data`; returns the table, or JSON, to print."""
    clips, labels = read_data(data)
    networks = [find(name) for name in models or sorted(NETWORKS)]
    splits = {"unheard_speakers": speaker_folds(clips, FOLDS), "random_split": random_folds(clips, FOLDS, seed)}
    results: dict[str, dict[str, Any]] = {}
    output.mkdir(parents=True, exist_ok=True)
    for network in networks:
        with progress(f"features of {network.name}", len(clips)) as step:
            examples = Examples.of(clips, extract_all(clips, network.spec, cache, step), labels)
        with progress(f"training {network.name}", FOLDS * len(splits)) as step:
            results[network.name] = {
                protocol: measure(cross_validate(network, examples, folds, seed, step), examples)
                for protocol, folds in splits.items()
            }
        figure = output / f"confusion-{network.name}.png"
        pictures.confusion(
            results[network.name]["unheard_speakers"], labels, f"{network.name}, unheard speakers", figure
        )
    (output / "results.json").write_text(
        json.dumps({"seed": seed, "labels": labels, "models": results}, indent=1) + "\n"
    )
    (output / "README.md").write_text(markdown.page(results, f"{len(clips)} clips", seed))
    return json.dumps(results) if as_json else markdown.summary_table(results)
