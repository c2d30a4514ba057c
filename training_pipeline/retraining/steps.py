"""The pipeline's steps: the same under Kubeflow and without it.

Each is handed the job and what the steps before it made, and leaves a folder, whole or not at all: so every step is
safe to run again. The features are made in `features.py`, which does without TensorFlow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from speech_emotion.store.base import Store
from speech_emotion.store.labels import CANARY, STABLE, promote, set_canary
from speech_emotion.store.manifest import Manifest
from speech_emotion.store.servers import ModelServers
from training_pipeline.data.folds import speaker_folds, test_speakers
from training_pipeline.errors import DataError
from training_pipeline.evaluation.chance import beside_chance
from training_pipeline.evaluation.compare import Decision, decide
from training_pipeline.evaluation.cross_validate import cross_validate
from training_pipeline.evaluation.figures import Predictions, measure, measure_pooled
from training_pipeline.progress import Progress, no_progress
from training_pipeline.reports.candidate import write_report
from training_pipeline.savedmodel.card import make_card
from training_pipeline.savedmodel.servable import ServableModel
from training_pipeline.savedmodel.trained import save_trained
from training_pipeline.savedmodel.version import write_version
from training_pipeline.savedmodel.whole import whole
from training_pipeline.training.calibrate import expected_calibration_error
from training_pipeline.training.examples import Examples
from training_pipeline.training.features import extract_all
from training_pipeline.training.job import Job
from training_pipeline.training.train import Trained, train


def train_model(job: Job, examples: Examples, folder: Path, checkpoints: Path | None = None) -> None:
    """Train on the speakers that are not held out; goes on from `checkpoints` if it was interrupted."""
    trained = train(job.network, examples.subset(job.data.split.train), job.seed, checkpoints)
    with whole(folder) as temporary:
        save_trained(trained, job.network.spec.frames, job.network.spec.bins, temporary)


def evaluate_model(
    job: Job,
    examples: Examples,
    trained: Trained,
    folder: Path,
    report: Path,
    *,
    folds: int = 5,
    checkpoints: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Measure on held-out speakers, and by that many folds (0: none); export the candidate with its card.

    The candidate is the very network that was measured: held-out speakers stay out of it, so that later versions
    can be compared with it on them. The report goes to the folder `report`.
    """
    test = examples.subset(job.data.split.test)
    metrics: dict[str, Any] = {"held_out": _held_out(trained, test, _majority(examples))}
    splits = speaker_folds(job.data.clips, folds) if folds else []
    if splits:
        predicted = cross_validate(job.network, examples, splits, job.seed, progress, checkpoints)
        metrics["unheard_speakers"] = measure_pooled(predicted, examples)
    tested = test_speakers(job.data.clips, splits)
    card = make_card(job, examples.subset(job.data.split.train), trained, metrics, tested)
    with whole(folder) as temporary:
        write_version(temporary, job, trained, card)
    served = {
        "latency_ms": 1000 * ServableModel(folder).latency_s(),
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }
    result = {"labels": job.data.emotions, "serving": served, **metrics}
    write_report(report, result, card)
    return result


def compare_with_stable(
    examples: Examples,
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
    split = examples.data.split
    test = examples.subset(split.test)
    majority = _majority(examples)
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
    store: Store, name: str, number: int, label: str, decision: Decision, servers: ModelServers
) -> tuple[str, str]:
    """Give a checked version its label: `stable`, `canary` or `none`; returns the label given, and why another one.

    The first version of a store becomes stable whatever was asked for: nothing else would answer. One that cannot be
    told from chance gets no label, one that could not be compared becomes canary at most. Raises ConflictError if
    `stable` moved since the comparison.
    """
    given, why = label, ""
    if decision.verdict == "unlabelled":
        given, why = "none", decision.reason
    elif label != "none" and decision.stable is None:
        given, why = (
            STABLE,
            "" if label == STABLE else "the first labelled version is stable: nothing else would answer",
        )
    elif label == STABLE and decision.verdict == "canary":
        given, why = CANARY, decision.reason
    if given == STABLE:
        promote(store, name, number, servers=servers, expected=_expected(store, name, number, decision))
    elif given == CANARY:
        set_canary(store, name, number, servers=servers)
    return given, why


def _expected(store: Store, name: str, number: int, decision: Decision) -> int | None:
    # Promoted already, by this very step before it was killed: to do so again is no conflict.
    return number if store.read_config().labels(name).get(STABLE) == number else decision.stable


def _majority(examples: Examples) -> str:
    """The most frequent emotion among the clips that are not held out."""
    counts = Counter(examples.clips[i].emotion for i in examples.data.split.train)
    return str(counts.most_common(1)[0][0])


def _held_out(trained: Trained, test: Examples, majority: str) -> dict[str, Any]:
    one_fold = np.zeros(len(test.clips), np.intp)
    calibrated = trained.predict(test.features)
    plain = replace(trained, temperature=1.0).predict(test.features)
    return {
        **measure(Predictions(calibrated, one_fold), test),
        **beside_chance(calibrated.argmax(axis=1) == test.targets, test, majority),
        "speakers": sorted({clip.speaker for clip in test.clips}),
        "ece_uncalibrated": expected_calibration_error(plain, test.targets),
    }
