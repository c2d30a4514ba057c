"""The whole pipeline in one process, without Kubeflow: what a laptop, a Job and a CronJob run."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from speech_emotion.channel import Tls
from speech_emotion.store.base import Store
from speech_emotion.store.open import open_store
from speech_emotion.store.publish import publish
from speech_emotion.store.servers import ModelServers
from training_pipeline.cache import bounded, in_use, work_caches
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.mirror import local_copies
from training_pipeline.data.readers import read_all
from training_pipeline.data.validate import validate
from training_pipeline.evaluation.compare import Decision
from training_pipeline.identity import identity, sources
from training_pipeline.progress import Bar, no_bar
from training_pipeline.reports.candidate import is_report, read_report
from training_pipeline.retraining import steps
from training_pipeline.retraining.check import check, rehearse
from training_pipeline.retraining.options import Options
from training_pipeline.savedmodel.card import PACKAGES
from training_pipeline.savedmodel.trained import load_trained
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job

VERSION, REPORT = "version", "report"
BESIDE = ("accuracy_interval", "chance", "majority", "majority_share")
"""What stands beside the accuracy on held-out speakers."""
_log = logging.getLogger(__name__)


def run(options: Options, bar: Bar = no_bar) -> dict[str, Any]:
    """Validate, features, train, evaluate, compare, publish, check, promote; returns what became of it.

    A run that was broken off goes on in the same `work` folder: what was made from the same data, model, seed and
    code is not made again. Raises SpeechEmotionError; a candidate that is not better is no error.
    """
    store, servers = open_store(options.store), _model_servers(options)
    data = _validated(options, bar)
    job = Job.resolve(options.model, data, options.seed, options.data_name, options.licence)
    folder = options.work / job.folder_name
    with bounded(work_caches(options.work), options.cache_max_bytes), in_use(folder):
        examples = _examples(job, folder / "examples", options.work / "cache", bar)
        made = _candidate(job, examples, folder, options.folds, bar)
        decision = steps.compare_with_stable(
            examples,
            made / VERSION,
            store,
            options.name,
            folder,
            margin=options.margin,
            confidence=options.confidence,
            seed=options.seed,
            cache=options.work / "cache",
        )
        result = _result(made / REPORT, decision)
        if decision.verdict == "refuse":
            return result
        return result | _served(options, store, servers, made / VERSION, decision)


def _validated(options: Options, bar: Bar) -> DataSet:
    """The data set, read once. Raises DataError if it is not fit to train on; the work folder has the findings."""
    _log.info("validate %s", ", ".join(options.data))
    several = len(options.data) > 1
    data = read_all(local_copies(options.data, options.work / ("data-sets" if several else "data")))
    with bar("validate", len(data.clips)) as step:
        findings = validate(data, step)
    options.work.mkdir(parents=True, exist_ok=True)
    (options.work / "validation.md").write_text(findings.to_markdown())
    for what, files in findings.warnings.items():
        _log.warning("%s: %s", what, ", ".join(files[:10]))
    findings.require()
    return data


def _examples(job: Job, folder: Path, cache: Path, bar: Bar) -> Examples:
    if not folder.is_dir():
        with bar("features", len(job.data.clips)) as step:
            steps.make_features(job, folder, cache=cache, workers=_workers(len(job.data.clips)), progress=step)
    return Examples.load(folder, job.data)


def _candidate(job: Job, examples: Examples, folder: Path, folds: int, bar: Bar) -> Path:
    """The folder with the candidate's version and its report, made unless they are there.

    It follows from the job, the card's facts, the report's folds, and all of the code.
    """
    if not (trained := folder / "trained").is_dir():
        _log.info("train %s", job.network.name)
        steps.train_model(job, examples, trained, folder / "checkpoints" / "train")
    facts = (job.facts.name, job.facts.licence)
    made = folder / f"candidate-{identity(job.identity, *facts, folds, sources(*PACKAGES))}"
    if not ((made / VERSION).is_dir() and is_report(made / REPORT)):
        with bar("evaluate", folds) as step:
            steps.evaluate_model(
                job,
                examples,
                load_trained(trained),
                made / VERSION,
                made / REPORT,
                folds=folds,
                checkpoints=folder / "checkpoints" / "folds",
                progress=step,
            )
    return made


def _result(report: Path, decision: Decision) -> dict[str, Any]:
    figures = read_report(report)
    return {
        "decision": decision.to_json(),
        "metrics": {
            "held_out_accuracy": figures["held_out"]["accuracy"],
            **{name: figures["held_out"][name] for name in BESIDE},
            **figures["serving"],
        },
        "report": str(report),
        "version": None,
        "label": None,
        "label_reason": "",
    }


def _model_servers(options: Options) -> ModelServers:
    """The servers that a label needs. Raises TlsError, also for files that cannot be read."""
    tls = Tls.of(options.server_ca_file, options.server_client_cert_file, options.server_client_key_file)
    if tls is not None:
        tls.credentials()
    return ModelServers(options.servers, tls, options.load_timeout_s)


def _served(options: Options, store: Store, servers: ModelServers, version: Path, decision: Decision) -> dict[str, Any]:
    """Rehearse, publish, check and label; returns what of the result that changes."""
    name = options.name
    gap = rehearse(version, name)
    number = publish(store, name, version)
    if servers.names:
        gap = check(store, name, number, servers)
    label, why = steps.label_version(store, name, number, options.label, decision, servers)
    given = None if label == "none" else label
    return {"version": number, "golden_gap": gap, "label": given, "label_reason": why}


def _workers(clips: int) -> int:
    # A process takes seconds to start librosa: too long for a few clips.
    return min(len(os.sched_getaffinity(0)), clips // 100) or 1
