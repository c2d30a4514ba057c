"""The whole pipeline in one process, without Kubeflow: what a laptop, a Job and a CronJob run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from speech_emotion.channel import Tls
from speech_emotion.cpus import cpu_count
from speech_emotion.store.open import open_store
from speech_emotion.store.servers import ModelServers
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.mirror import local_copies
from training_pipeline.data.readers import read_all
from training_pipeline.data.validate import validate
from training_pipeline.jobs import resolve
from training_pipeline.progress import Bar, no_bar
from training_pipeline.reports.candidate import read_report
from training_pipeline.retraining.candidate import candidate
from training_pipeline.retraining.options import Options
from training_pipeline.retraining.release import Released, Terms, release

BESIDE = ("accuracy_interval", "chance", "majority", "majority_share")
"""What stands beside the accuracy on held-out speakers."""
_log = logging.getLogger(__name__)


def run(options: Options, bar: Bar = no_bar) -> dict[str, Any]:
    """Validate, features, train, evaluate, compare, publish, check, promote; returns what became of it.

    The servers are looked at before anything is read. A run that was broken off goes on in the same `work` folder:
    what was made from the same data, model, seed and code is not made again. Raises SpeechEmotionError; a candidate
    that is not better is no error.
    """
    store, servers = open_store(options.store), _model_servers(options)
    servers.require_reachable()
    data = _validated(options, bar)
    job = resolve(options.model, data, options.seed, options.data_name, options.licence, measured=True)
    terms = Terms(options.name, options.label, options.margin, options.confidence, options.seed)
    with candidate(
        job,
        options.work,
        folds=options.folds,
        workers=_workers(len(data.clips)),
        cache_max_bytes=options.cache_max_bytes,
        bar=bar,
    ) as made:
        released = release(made.examples, made.version, store, servers, terms, made.folder, options.work / "cache")
        return _result(made.report, released)


def _validated(options: Options, bar: Bar) -> DataSet:
    """The data set, read once. Raises DataError if it is not fit to train on; the work folder has the findings."""
    _log.info("validate %s", ", ".join(options.data))
    several = len(options.data) > 1
    data = read_all(local_copies(options.data, options.work / ("data-sets" if several else "data")))
    with bar("validate", len(data.clips)) as step:
        findings = validate(data, step)
    options.work.mkdir(parents=True, exist_ok=True)
    (options.work / "validation.md").write_text(findings.to_markdown())
    findings.log_warnings()
    findings.require()
    return data


def _result(report: Path, released: Released) -> dict[str, Any]:
    figures = read_report(report)
    result = {
        "decision": released.decision.to_json(),
        "metrics": {
            "held_out_accuracy": figures["held_out"]["accuracy"],
            **{name: figures["held_out"][name] for name in BESIDE},
            **figures["serving"],
        },
        "report": str(report),
        "version": released.version,
        "label": released.label,
        "label_reason": released.label_reason,
    }
    return result if released.version is None else result | {"golden_gap": released.golden_gap}


def _model_servers(options: Options) -> ModelServers:
    """The servers that a label needs. Raises TlsError, also for files that cannot be read."""
    tls = Tls.of(options.server_ca_file, options.server_client_cert_file, options.server_client_key_file)
    if tls is not None:
        tls.credentials()
    return ModelServers(options.servers, tls, options.load_timeout_s)


def _workers(clips: int) -> int:
    # A process takes a second to start: too long for a few clips.
    return min(cpu_count(), clips // 100) or 1
