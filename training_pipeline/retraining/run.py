"""The whole pipeline in one process, without Kubeflow: what a laptop, a Job and a CronJob run."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speech_emotion.store.open import open_store
from speech_emotion.store.publish import publish
from training_pipeline.data.source import local_copy
from training_pipeline.networks.registry import find
from training_pipeline.retraining import steps
from training_pipeline.retraining.check import check
from training_pipeline.savedmodel.card import revision

_log = logging.getLogger(__name__)
Bar = Callable[[str, int], AbstractContextManager[Callable[[], None]]]


def _no_bar(_description: str, _total: int) -> AbstractContextManager[Callable[[], None]]:
    return nullcontext(lambda: None)


@dataclass(frozen=True)
class Options:
    """What a run is asked for; `servers` empty means that none runs on this store."""

    data: str
    store: str
    work: Path
    name: str = "speech_emotion"
    model: str = "mlp"
    label: str = "canary"
    servers: Sequence[str] = ()
    margin: float = 0.0
    confidence: float = 0.95
    folds: int = 5
    seed: int = 0
    data_name: str = "unnamed"
    licence: str = "unknown"
    timeout_s: float = 300.0


def run(options: Options, bar: Bar = _no_bar) -> dict[str, Any]:
    """Validate, features, train, evaluate, compare, publish, check, promote; returns what became of it.

    A run that was broken off goes on in the same `work` folder: what was made from the same data, model, seed and
    code is not made again. Raises SpeechEmotionError; a candidate that is not better is no error.
    """
    store = open_store(options.store)
    data = local_copy(options.data, options.work / "data")
    cache = options.work / "cache"
    _log.info("validate %s", options.data)
    findings = steps.validate_data(data)
    options.work.mkdir(parents=True, exist_ok=True)
    (options.work / "validation.md").write_text(findings.to_markdown())
    for what, files in findings.warnings.items():
        _log.warning("%s: %s", what, ", ".join(files[:10]))
    findings.require()

    folder = options.work / _key(options, findings.digest)
    examples, trained, candidate = folder / "examples", folder / "trained", folder / "candidate"
    if not examples.is_dir():
        with bar("features", findings.clips) as step:
            steps.make_features(
                data,
                findings.digest,
                options.model,
                examples,
                cache=cache,
                workers=_workers(findings.clips),
                progress=step,
            )
    if not trained.is_dir():
        _log.info("train %s", options.model)
        steps.train_model(examples, options.model, options.seed, trained, folder / "checkpoints" / "train")
    if not (candidate.is_dir() and (folder / "report" / "report.html").is_file()):
        with bar("evaluate", options.folds) as step:
            steps.evaluate_model(
                examples,
                trained,
                options.model,
                options.seed,
                candidate,
                folder / "report",
                folds=options.folds,
                data_name=options.data_name,
                licence=options.licence,
                checkpoints=folder / "checkpoints" / "folds",
                progress=step,
            )
    decision = steps.compare_with_stable(
        examples,
        candidate,
        store,
        options.name,
        folder,
        margin=options.margin,
        confidence=options.confidence,
        seed=options.seed,
        cache=cache,
    )
    evaluation = json.loads((folder / "report" / "evaluation.json").read_text())
    result: dict[str, Any] = {
        "decision": decision.to_json(),
        "metrics": {"held_out_accuracy": evaluation["held_out"]["accuracy"], **evaluation["serving"]},
        "report": str(folder / "report"),
        "version": None,
        "label": None,
        "label_reason": "",
    }
    if decision.verdict == "refuse":
        return result
    number = result["version"] = publish(store, options.name, candidate)
    result["golden_gap"] = check(store, options.name, number, options.servers, options.timeout_s)
    given, why = steps.label_version(
        store, options.name, number, options.label, decision, options.servers, options.timeout_s
    )
    return {**result, "label": None if given == "none" else given, "label_reason": why}


def _key(options: Options, digest: str) -> str:
    """What a candidate follows from: the same key, the same candidate."""
    spec = find(options.model).spec.fingerprint
    parts = (digest, options.model, spec, options.seed, options.folds, options.data_name, options.licence, revision())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _workers(clips: int) -> int:
    # A process takes seconds to start librosa: too long for a few clips.
    return min(len(os.sched_getaffinity(0)), clips // 100) or 1
