"""`ser train`: one model on every clip, exported with its card."""

from __future__ import annotations

import json
from pathlib import Path

from ser.checkpoints import checkpoints
from ser.output import progress
from training_pipeline.data.source import read_data
from training_pipeline.errors import DataError
from training_pipeline.networks.registry import find
from training_pipeline.savedmodel.card import make_card
from training_pipeline.savedmodel.export import export
from training_pipeline.training.features import extract_all
from training_pipeline.training.train import Examples, train


def run(
    data: Path,
    model: str,
    folder: Path,
    evaluation: Path | None,
    licence: str,
    name: str,
    seed: int,
    cache: Path,
    kept: Path | None = None,
) -> None:
    """Train `model` on all of `data` and write a SavedModel to `folder`, which must not exist (FileExistsError).

    An interrupted call goes on where it was; see `checkpoints` for `kept`.
    """
    if folder.exists():
        raise FileExistsError(f"{folder} is there already")
    network = find(model)
    clips, labels = read_data(data)
    metrics = {}
    if evaluation is not None:
        metrics = json.loads(evaluation.read_text())["models"].get(model)
        if metrics is None:
            raise DataError(f"{evaluation} has no figures of {model}")
    with progress("features", len(clips)) as step:
        examples = Examples.of(clips, extract_all(clips, network.spec, cache, step), labels)
    with checkpoints(kept, cache.parent, network, examples, seed) as work:
        trained = train(network, examples, seed, work)
        card = make_card(network, examples, trained, seed, name, licence, metrics)
        export(trained, network.spec, labels, card, folder)
