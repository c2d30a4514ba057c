"""Runs and recurring runs on a Kubeflow Pipelines backend, through kfp's own client."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import kfp
from kfp_server_api.exceptions import ApiException
from urllib3.exceptions import HTTPError

from speech_emotion.errors import FileTooLargeError
from speech_emotion.input_files import read_at_most
from training_pipeline.kubeflow.parameters import BackendError
from training_pipeline.kubeflow.pipeline import Shape, compile_pipeline

MAX_PACKAGE_BYTES = 64 * 1024 * 1024


def submit(
    host: str,
    package: Path | None,
    arguments: dict[str, Any],
    *,
    shards: int = 1,
    experiment: str,
    namespace: str | None = None,
) -> str:
    """Start a run and return its id. Raises BackendError."""
    with _errors(host), _package(package, arguments["image"], shards) as path:
        client = kfp.Client(host=host, namespace=namespace or "kubeflow")
        run = client.create_run_from_pipeline_package(
            str(path), arguments=arguments, experiment_name=experiment, namespace=namespace
        )
        return str(run.run_id)


def schedule(
    host: str,
    package: Path | None,
    arguments: dict[str, Any],
    *,
    cron: str,
    job_name: str,
    shards: int = 1,
    experiment: str,
    namespace: str | None = None,
) -> str:
    """Start runs by cron, one at a time and none for missed times; returns the recurring run's id.

    Recurring runs of the same name in the experiment are deleted once the new one is there. Raises BackendError.
    """
    with _errors(host), _package(package, arguments["image"], shards) as path:
        client = kfp.Client(host=host, namespace=namespace or "kubeflow")
        home = client.create_experiment(experiment, namespace=namespace)
        listed = client.list_recurring_runs(experiment_id=home.experiment_id, page_size=100).recurring_runs or []
        job = client.create_recurring_run(
            home.experiment_id,
            job_name,
            cron_expression=cron,
            max_concurrency=1,
            no_catchup=True,
            params=arguments,
            pipeline_package_path=str(path),
        )
        for old in listed:
            if old.display_name == job_name:
                client.delete_recurring_run(old.recurring_run_id)
        return str(job.recurring_run_id)


@contextmanager
def _package(package: Path | None, image: str, shards: int) -> Iterator[Path]:
    if package is not None:
        _require_package(package)
        yield package
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pipeline.yaml"
        compile_pipeline(path, Shape(image=image, shards=shards))
        yield path


def _require_package(path: Path) -> None:
    """Raise BackendError for a file that cannot be read, or is too large for a pipeline; kfp looks at the rest."""
    try:
        read_at_most(path, MAX_PACKAGE_BYTES)
    except FileTooLargeError as error:
        raise BackendError(f"{path} is not a compiled pipeline: {error}") from error
    except OSError as error:
        raise BackendError(f"{path} is not a compiled pipeline: {error.strerror}") from error


@contextmanager
def _errors(host: str) -> Iterator[None]:
    try:
        # kfp prints links: for people, so not between what scripts read.
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # kfp's client says which backends it knows
            yield
    except ApiException as error:
        raise BackendError(f"{host} refused: {error.status} {error.reason} {error.body or ''}".rstrip()) from error
    except (HTTPError, OSError) as error:
        raise BackendError(f"{host} cannot be reached: {error}") from error
