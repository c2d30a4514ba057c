"""What the components call: kfp's strings and paths to `training_pipeline.retraining.steps`, and its artifacts back."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speech_emotion.channel import Tls
from speech_emotion.store.open import open_store
from speech_emotion.store.publish import publish as bring_in
from speech_emotion.store.servers import ModelServers
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.mirror import local_copies
from training_pipeline.data.readers import read_all
from training_pipeline.data.validate import validate as check_data
from training_pipeline.errors import DataError
from training_pipeline.evaluation.compare import Decision
from training_pipeline.retraining import check as checking
from training_pipeline.retraining import steps
from training_pipeline.retraining.options import TLS_OPTIONS, find
from training_pipeline.savedmodel.trained import load_trained
from training_pipeline.savedmodel.version import CARD_PAGE
from training_pipeline.training.examples import Examples
from training_pipeline.training.job import Job

if TYPE_CHECKING:
    from kfp.dsl import ClassificationMetrics, Metrics


def validate(data: str, report: str) -> str:
    """See data.validate; the page is written also where the set is refused."""
    with tempfile.TemporaryDirectory() as copy:
        found = check_data(_read(data, Path(copy)))
    _write(report, found.to_markdown())
    found.require()
    return found.digest


def features(data: str, digest: str, model: str, shard: int, shards: int, examples: str) -> None:
    """See steps.make_features. Raises DataError if the data set is not the one that was validated."""
    workers = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as copy:
        read = _read(data, Path(copy))
        if read.digest != digest:
            raise DataError(f"{data} has changed since it was validated")
        job = Job.resolve(model, read)
        steps.make_features(job, Path(examples), workers=workers, shard=shard, shards=shards)


def gather(shards: Sequence[str], examples: str) -> None:
    """See steps.gather_features."""
    steps.gather_features([Path(shard) for shard in shards], Path(examples))


def train(examples: str, model: str, seed: int, checkpoints: str, trained: str) -> None:
    """See steps.train_model."""
    loaded = Examples.load(Path(examples))
    job = Job.resolve(model, loaded.data, seed)
    steps.train_model(job, loaded, Path(trained), _kept(checkpoints, job, "train"))


def evaluate(
    examples: str,
    trained: str,
    model: str,
    seed: int,
    checkpoints: str,
    candidate: str,
    options: dict[str, Any],
) -> dict[str, Any]:
    """See steps.evaluate_model; the report's files come back as text."""
    loaded = Examples.load(Path(examples))
    job = Job.resolve(model, loaded.data, seed, options["data_name"], options["licence"])
    with tempfile.TemporaryDirectory() as report:
        found = steps.evaluate_model(
            job,
            loaded,
            load_trained(Path(trained)),
            Path(candidate),
            Path(report),
            folds=options["folds"],
            checkpoints=_kept(checkpoints, job, "folds"),
        )
        return {
            **found,
            "card": (Path(candidate) / CARD_PAGE).read_text(),
            "html": (Path(report) / "report.html").read_text(),
        }


def show(found: dict[str, Any], metrics: Metrics, confusion: ClassificationMetrics, card: str, report: str) -> None:
    """Fill the artifacts that the Kubeflow page shows."""
    held_out = found["held_out"]
    for name in ("accuracy", "uar", "ece", "ece_uncalibrated", "chance", "majority_share"):
        metrics.log_metric(f"held_out_{name}", held_out[name])
    for name in ("accuracy", "accuracy_std", "uar", "ece"):
        if "unheard_speakers" in found:
            metrics.log_metric(f"folds_{name}", found["unheard_speakers"][name])
    for name, value in found["serving"].items():
        metrics.log_metric(name, value)
    confusion.log_confusion_matrix(list(found["labels"]), held_out["confusion"])
    _write(card, found["card"])
    _write(report, found["html"])


def compare(
    examples: str, candidate: str, store: str, name: str, margin: float, confidence: float, seed: int, report: str
) -> str:
    """See steps.compare_with_stable; the decision travels as JSON."""
    with tempfile.TemporaryDirectory() as work:
        decision = steps.compare_with_stable(
            Examples.load(Path(examples)),
            Path(candidate),
            open_store(store),
            name,
            Path(work),
            margin=margin,
            confidence=confidence,
            seed=seed,
        )
    text = json.dumps(decision.to_json(), indent=1)
    _write(report, f"# {decision.verdict}\n\n{decision.reason}\n\n```json\n{text}\n```\n")
    return json.dumps(decision.to_json())


def publish(candidate: str, store: str, name: str, decision: str) -> int:
    """The version, 0 where the candidate was refused. One that does not load or answer here is not published."""
    if _decision(decision).verdict == "refuse":
        return 0
    checking.rehearse(Path(candidate), name)
    return bring_in(open_store(store), name, Path(candidate))


def check(store: str, name: str, version: int, servers: str, timeout_s: float) -> float:
    """The largest gap, 0 where nothing was published."""
    return checking.check(open_store(store), name, version, _servers(servers, timeout_s)) if version else 0.0


def promote(
    store: str, name: str, version: int, label: str, decision: str, servers: str, timeout_s: float
) -> tuple[str, str]:
    """The label given and why another; `none` where nothing was published.

    Raises ValueError for a label without servers, unless `servers` is `offline`: none runs on this store.
    """
    decided = _decision(decision)
    if not version:
        return "none", decided.reason
    if label != "none" and not servers:
        raise ValueError("a label needs `servers` (host:port, separated by commas), or `offline` if none is running")
    return steps.label_version(open_store(store), name, version, label, decided, _servers(servers, timeout_s))


def _read(data: str, copy: Path) -> DataSet:
    """The data sets of the parameter, which commas separate. Raises DataError."""
    locations = [location.strip() for location in data.split(",") if location.strip()]
    if not locations:
        raise DataError("the parameter `data` names no data set")
    return read_all(local_copies(locations, copy))


def _decision(text: str) -> Decision:
    return Decision(**json.loads(text))


def _servers(servers: str, timeout_s: float) -> ModelServers:
    """The parameter's servers; their certificates come from a Secret, by way of the environment."""
    names = [] if servers == "offline" else [server.strip() for server in servers.split(",") if server.strip()]
    files = [os.environ.get(find(name).variable) for name in TLS_OPTIONS]
    return ModelServers(names, Tls.of(*(Path(file) if file else None for file in files)), timeout_s)


def _kept(checkpoints: str, job: Job, part: str) -> Path | None:
    """A folder for the checkpoints of this very job; none without a volume that outlives the task."""
    return Path(checkpoints) / job.folder_name / part if checkpoints else None


def _write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, encoding="utf-8")
