"""Training and evaluation: from the validated data set to a version with its report."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training_pipeline.jobs import resolve
from training_pipeline.kubeflow.work.data import validated, workers
from training_pipeline.kubeflow.work.given import write
from training_pipeline.reports.candidate import read_report
from training_pipeline.retraining.candidate import candidate
from training_pipeline.savedmodel.version import CARD_PAGE
from training_pipeline.training.examples import Examples

if TYPE_CHECKING:
    from kfp.dsl import ClassificationMetrics, Metrics

_log = logging.getLogger(__name__)


def train(
    data: str, digest: str, findings: str, heard: str, options: dict[str, Any], examples: str, version: str
) -> dict[str, Any]:
    """Features (unless the folder `heard` has them), train, evaluate; the report's files come back as text.

    Raises SpeechEmotionError.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with tempfile.TemporaryDirectory() as copy, _writable(options["work"]) as work:
        # Features that are there already are those of the validated set.
        read = Examples.load(Path(heard)).data if heard else validated(data, Path(copy), digest, findings)
        job = resolve(options["model"], read, options["seed"], options["data_name"], options["licence"], measured=True)
        with candidate(
            job,
            work,
            folds=options["folds"],
            workers=workers(options["cpu"]),
            cache_max_bytes=options["cache_max_bytes"],
            heard=Path(heard) if heard else None,
        ) as made:
            made.examples.save(Path(examples), job.data.digest)
            shutil.copytree(made.version, version, dirs_exist_ok=True)
            return {
                **read_report(made.report),
                "card": (made.version / CARD_PAGE).read_text(),
                "html": (made.report / "report.html").read_text(),
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
    write(card, found["card"])
    write(report, found["html"])


@contextmanager
def _writable(work: str) -> Iterator[Path]:
    """The work folder; a temporary one where it is not set or cannot be written, as on a claim for reading."""
    if work:
        try:
            Path(work).mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=work):
                pass
        except OSError as error:
            _log.warning("%s: nothing is kept for another run, because %s cannot be written", error, work)
        else:
            yield Path(work)
            return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)
