"""Runs and recurring runs on a Kubeflow Pipelines backend, through kfp's own client."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kfp
import yaml
from kfp_server_api.exceptions import ApiException
from urllib3.exceptions import HTTPError

from speech_emotion.errors import FileTooLargeError
from speech_emotion.input_files import read_at_most
from training_pipeline.kubeflow.parameters import BackendError, parse, run_name, types_of
from training_pipeline.kubeflow.pipeline import Shape, compile_pipeline

MAX_PACKAGE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Order:
    """What is run: a compiled pipeline (none: it is compiled now, in so many `shards`), and its parameters as text."""

    image: str
    package: Path | None = None
    parameters: Sequence[str] = ()
    shards: int = 1


@dataclass(frozen=True)
class Place:
    """Where it is run: the API's URL, and the namespace of a multi-user Kubeflow."""

    host: str
    namespace: str | None = None

    @contextmanager
    def client(self) -> Iterator[kfp.Client]:
        """kfp's client, silent; what the backend says is a BackendError."""
        try:
            # kfp prints links to a page that need not exist, and warns of backends older than itself.
            with redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                yield kfp.Client(host=self.host, namespace=self.namespace or "kubeflow")
        except ApiException as error:
            said = f"{error.status} {error.reason} {error.body or ''}".rstrip()
            raise BackendError(f"{self.host} refused: {said}") from error
        except (HTTPError, OSError) as error:
            raise BackendError(f"{self.host} cannot be reached: {error}") from error


def submit(place: Place, order: Order, experiment: str) -> str:
    """Start a run, named by its model, data and time, and return its id. Raises BackendError, OptionError."""
    with _package(order) as (path, arguments), place.client() as client:
        run = client.create_run_from_pipeline_package(
            str(path),
            arguments=arguments,
            run_name=run_name(arguments, datetime.now(UTC)),
            experiment_name=experiment,
            namespace=place.namespace,
        )
        return str(run.run_id)


def schedule(place: Place, order: Order, experiment: str, *, cron: str, job_name: str) -> str:
    """Start runs by cron, one at a time and none for missed times; returns the recurring run's id.

    Recurring runs of the same name in the experiment are deleted once the new one is there. Raises BackendError,
    OptionError.
    """
    with _package(order) as (path, arguments), place.client() as client:
        home = client.create_experiment(experiment, namespace=place.namespace)
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


def specification(order: Order) -> dict[str, Any]:
    """The specification of the compiled pipeline. Raises BackendError for a package that has none."""
    with _compiled(order) as (_, document):
        return document


@contextmanager
def _package(order: Order) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The compiled pipeline, and the parameters with the types that it declares."""
    with _compiled(order) as (path, document):
        types = types_of(document)
        image = {"image": order.image} if "image" in types else {}
        yield path, {**image, **parse(order.parameters, types)}


@contextmanager
def _compiled(order: Order) -> Iterator[tuple[Path, dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        path = order.package or Path(folder) / "pipeline.yaml"
        if order.package is None:
            compile_pipeline(path, Shape(image=order.image, shards=order.shards))
        document = _first_document(path)
        types_of(document)  # what declares no parameters is no pipeline
        yield path, document


def _first_document(path: Path) -> Any:
    """Raises BackendError for a file that cannot be a pipeline."""
    try:
        return next(yaml.safe_load_all(read_at_most(path, MAX_PACKAGE_BYTES)), None)
    except FileTooLargeError as error:
        raise BackendError(f"{path} is not a compiled pipeline: {error}") from error
    except OSError as error:
        raise BackendError(f"{path} is not a compiled pipeline: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BackendError(f"{path} is not a compiled pipeline: it is not YAML") from error
