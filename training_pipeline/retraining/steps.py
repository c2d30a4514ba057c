"""The pipeline's steps, each from folders to a folder: the same under Kubeflow and without it.

A folder appears whole or not at all, so every step is safe to run again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from speech_emotion.files import whole_folder
from speech_emotion.store.base import Store
from speech_emotion.store.labels import CANARY, STABLE, promote, set_canary
from speech_emotion.store.manifest import Manifest
from training_pipeline.data.folds import speaker_folds
from training_pipeline.data.source import read_data
from training_pipeline.data.split import held_out
from training_pipeline.data.validate import Findings, digest_of, validate
from training_pipeline.errors import DataError, WorkFolderError
from training_pipeline.evaluation.compare import Decision, decide
from training_pipeline.evaluation.evaluate import Predictions, cross_validate, measure
from training_pipeline.networks.registry import find
from training_pipeline.reports import markdown, pictures
from training_pipeline.savedmodel import card as cards
from training_pipeline.savedmodel.export import export
from training_pipeline.savedmodel.servable import ServableModel, load_trained, save_trained
from training_pipeline.training.calibrate import expected_calibration_error
from training_pipeline.training.features import extract_all
from training_pipeline.training.train import Examples, train

Progress = Callable[[], None]
CARD_JSON, CARD_PAGE = "assets.extra/model_card.json", "assets.extra/model_card.md"


def _nothing() -> None:
    return


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` once everything is in it; what was there before goes.

    Raises WorkFolderError if it cannot be written.
    """
    try:
        with whole_folder(folder) as temporary:
            yield temporary
    except (OSError, tf.errors.OpError) as error:
        said = str(error).splitlines()[0]
        raise WorkFolderError(f"{folder} cannot be written: {said}") from error


def digest_of_folder(folder: Path) -> str:
    """SHA-256 of names and contents of a step's output."""
    return Manifest.of(folder).digest


def validate_data(data: Path, progress: Progress = _nothing) -> Findings:
    """Read every clip and say what is wrong; the caller decides by `Findings.require`."""
    clips, labels = read_data(data)
    return validate(clips, labels, progress)


def make_features(
    data: Path,
    digest: str,
    model: str,
    folder: Path,
    *,
    cache: Path | None = None,
    workers: int = 1,
    shard: int = 0,
    shards: int = 1,
    progress: Progress = _nothing,
) -> None:
    """Features of every clip (of every `shards`th one) as `model` hears them.

    Raises DataError if the data set is not the one that was validated.
    """
    clips, labels = read_data(data)
    if digest_of(clips) != digest:
        raise DataError(f"{data} has changed since it was validated")
    clips = clips[shard::shards]
    features = extract_all(clips, find(model).spec, cache, progress, workers)
    with whole(folder) as temporary:
        Examples.of(clips, features, labels).save(temporary)


def gather_features(shards: Sequence[Path], folder: Path) -> None:
    """Shards of one data set, first one first, to what a single shard would be."""
    parts = [Examples.load(path) for path in shards]
    # Shard n has every so manieth clip from the nth on.
    places = [(i, part) for part in range(len(parts)) for i in range(len(parts[part].clips))]
    clips = [parts[part].clips[i] for i, part in sorted(places)]
    features = [parts[part].features[i] for i, part in sorted(places)]
    with whole(folder) as temporary:
        Examples.of(clips, features, parts[0].labels).save(temporary)


def train_model(examples: Path, model: str, seed: int, folder: Path, checkpoints: Path | None = None) -> None:
    """Train on the speakers that are not held out; goes on from `checkpoints` if it was interrupted."""
    loaded, network = Examples.load(examples), find(model)
    trained = train(network, loaded.subset(held_out(loaded.clips).train), seed, checkpoints)
    with whole(folder) as temporary:
        save_trained(trained, network.spec.frames, network.spec.bins, temporary)


def evaluate_model(
    examples: Path,
    trained: Path,
    model: str,
    seed: int,
    folder: Path,
    report: Path,
    *,
    folds: int = 5,
    data_name: str = "unnamed",
    licence: str = "unknown",
    checkpoints: Path | None = None,
    progress: Progress = _nothing,
) -> dict[str, Any]:
    """Measure on held-out speakers (and by so many folds; 0: none) and export the candidate with its card.

    The candidate is the very network that was measured: held-out speakers stay out of it, so that later versions
    can be compared with it on them.
    """
    loaded, network, network_trained = Examples.load(examples), find(model), load_trained(trained)
    fold = held_out(loaded.clips)
    test, heard = loaded.subset(fold.test), loaded.subset(fold.train)
    metrics: dict[str, Any] = {"held_out": _held_out(network_trained.predict(test.features), test)}
    metrics["held_out"]["ece_uncalibrated"] = _uncalibrated(network_trained, test)
    if folds:
        splits = speaker_folds(loaded.clips, folds)
        metrics["unheard_speakers"] = measure(
            cross_validate(network, loaded, splits, seed, progress, checkpoints), loaded
        )
    tested = cards.fold_speakers(loaded, folds) if folds else []
    card = cards.make_card(network, heard, network_trained, seed, data_name, licence, metrics, tested)
    with whole(folder) as temporary:
        export(network_trained, network.spec, loaded.labels, card, temporary)
        (temporary / CARD_JSON).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n")
        (temporary / CARD_PAGE).write_text(markdown.card_page(card))
    served = {
        "latency_ms": 1000 * ServableModel(folder).latency_s(),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }
    result = {"labels": loaded.labels, "serving": served, **metrics}
    _write_report(report, result, card, model)
    return result


def compare_with_stable(
    examples: Path,
    candidate: Path,
    store: Store,
    name: str,
    work: Path,
    *,
    margin: float,
    confidence: float,
    seed: int,
    cache: Path | None = None,
) -> Decision:
    """Decide on the candidate; see `compare.decide`."""
    loaded = Examples.load(examples)
    fold = held_out(loaded.clips)
    test = loaded.subset(fold.test)
    majority = Counter(loaded.clips[i].label for i in fold.train).most_common(1)[0][0]
    model = ServableModel(candidate)
    number = store.read_config().labels(name).get(STABLE)
    stable = None
    if number is not None:
        held = store.manifest(name, number)
        if held is not None and held.digest == Manifest.of(candidate).digest:
            return Decision("refuse", f"it is stable already, as version {number}", number)
        stable = (number, ServableModel(store.fetch(name, number, work / "stable" / str(number))))

    def features_of(other: ServableModel) -> Sequence[Any]:
        if other.description.spec == model.description.spec:
            return test.features
        away = next((clip.path for clip in test.clips if not clip.path.is_file()), None)
        if away is not None:
            raise DataError(f"{away} is not there: stable hears other features, which need the recordings")
        return extract_all(test.clips, other.description.spec, cache)

    return decide(model, test, majority, stable, features_of, margin=margin, confidence=confidence, seed=seed)


def label_version(
    store: Store, name: str, number: int, label: str, decision: Decision, servers: Sequence[str], timeout_s: float
) -> tuple[str, str]:
    """Give a checked version its label: `stable`, `canary` or `none`; returns the label given, and why another one.

    The first version of a store becomes stable whatever was asked for: nothing else would answer. One that could not
    be compared becomes canary at most. Raises ConflictError if `stable` moved since the comparison.
    """
    given, why = label, ""
    if label != "none" and decision.stable is None:
        given, why = (
            STABLE,
            "" if label == STABLE else "the first labelled version is stable: nothing else would answer",
        )
    elif label == STABLE and decision.verdict == "canary":
        given, why = CANARY, decision.reason
    if given == STABLE:
        promote(
            store, name, number, servers=servers, timeout_s=timeout_s, expected=_expected(store, name, number, decision)
        )
    elif given == CANARY:
        set_canary(store, name, number, servers=servers, timeout_s=timeout_s)
    return given, why


def _expected(store: Store, name: str, number: int, decision: Decision) -> int | None:
    # Promoted already, by this very step before it was killed: to do so again is no conflict.
    return number if store.read_config().labels(name).get(STABLE) == number else decision.stable


def _held_out(probabilities: Any, test: Examples) -> dict[str, Any]:
    figures = measure(Predictions(probabilities, np.zeros(len(test.clips), np.intp)), test)
    return {**figures, "speakers": sorted({clip.speaker for clip in test.clips})}


def _uncalibrated(trained: Any, test: Examples) -> float:
    plain = type(trained)(trained.model, 1.0)
    return expected_calibration_error(plain.predict(test.features), test.targets)


def _write_report(report: Path, result: dict[str, Any], card: dict[str, Any], model: str) -> None:
    report.mkdir(parents=True, exist_ok=True)
    pictures.confusion(result["held_out"], result["labels"], f"{model}, held-out speakers", report / "confusion.png")
    page = markdown.card_page(card)
    (report / "evaluation.json").write_text(json.dumps(result, indent=1) + "\n")
    (report / "README.md").write_text(f"{page}\n![confusion matrix](confusion.png)\n")
    picture = {"confusion matrix on held-out speakers": (report / "confusion.png").read_bytes()}
    (report / "report.html").write_text(markdown.html_page(f"Candidate {model}", picture, page))
