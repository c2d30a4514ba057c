"""`ser pipeline`: retrain here, or on Kubeflow Pipelines."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    help="Retrain: validate, features, train, evaluate, compare, publish, check, promote.",
    epilog="Exit codes: 0 done, also where the candidate was refused (--json says `decision`), 1 any other failure, "
    "2 usage, 5 the store's stable version moved meanwhile, 6 a model server does not serve the version, "
    "7 the data set is broken, 8 the version answered wrongly and is in quarantine.",
    no_args_is_help=True,
)


class Label(StrEnum):
    """Which label a new version gets."""

    canary = "canary"
    stable = "stable"
    none = "none"


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
    data: Annotated[str, typer.Option(envvar="PIPELINE_DATA", help="Manifest (CSV) or folder of RAVDESS; s3:// too.")],
    store: Annotated[
        str, typer.Option(envvar="PIPELINE_STORE", help="Model store: folder, s3:// or gs://.")
    ] = "models",
    model: Annotated[str, typer.Option(envvar="PIPELINE_MODEL", help="A registered model.")] = "mlp",
    label: Annotated[Label, typer.Option(envvar="PIPELINE_LABEL", help="Label of the new version.")] = Label.canary,
    work: Annotated[
        Path, typer.Option(envvar="PIPELINE_WORK", help="What is made on the way; a rerun goes on.")
    ] = Path(".cache/pipeline"),
    server: Annotated[
        list[str] | None,
        typer.Option(envvar="PIPELINE_SERVER", help="host:port of a model server; each address behind a name counts."),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", envvar="PIPELINE_OFFLINE", help="No server runs on the store: label without one."),
    ] = False,
    margin: Annotated[
        float, typer.Option(envvar="PIPELINE_MARGIN", min=-1, max=1, help="Accuracy that a better model must gain.")
    ] = 0.0,
    confidence: Annotated[
        float, typer.Option(envvar="PIPELINE_CONFIDENCE", min=0, max=1, help="Share of bootstrap samples that agree.")
    ] = 0.95,
    folds: Annotated[
        int, typer.Option(envvar="PIPELINE_FOLDS", min=0, help="Folds of the report besides the held-out speakers.")
    ] = 5,
    seed: Annotated[int, typer.Option(envvar="PIPELINE_SEED", min=0, help="Seed of everything random.")] = 0,
    name: Annotated[
        str, typer.Option(envvar="PIPELINE_NAME", help="Name of the model in the store.")
    ] = "speech_emotion",
    data_name: Annotated[str, typer.Option(envvar="PIPELINE_DATA_NAME", help="For the card.")] = "unnamed",
    licence: Annotated[str, typer.Option(envvar="PIPELINE_LICENCE", help="Of the data, for the card.")] = "unknown",
    timeout_s: Annotated[
        float, typer.Option(envvar="PIPELINE_TIMEOUT_S", min=0, help="Seconds a server has to load the version.")
    ] = 300.0,
    as_json: AsJson = False,
) -> None:
    """Run the whole pipeline in this process, without Kubeflow.

    A label is given only where every model server says that it serves the version: name them with --server, or say
    --offline. Without servers the version is checked on a model server of its own.
    """
    if label != Label.none and not server and not offline:
        raise typer.BadParameter(
            f"--label {label} needs every model server (--server host:port), or --offline where none is running"
        )
    import logging

    from ser.output import failing, progress
    from training_pipeline.retraining.run import Options
    from training_pipeline.retraining.run import run as retrain

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = Options(
        data=data,
        store=store,
        work=work,
        name=name,
        model=model,
        label=label.value,
        servers=server or (),
        margin=margin,
        confidence=confidence,
        folds=folds,
        seed=seed,
        data_name=data_name,
        licence=licence,
        timeout_s=timeout_s,
    )
    with failing():
        result = retrain(options, progress)
        typer.echo(json.dumps(result) if as_json else _told(result))


@app.command()
def fetch(folder: Annotated[Path, typer.Argument(help="Where the archive and its clips go.")]) -> None:
    """Fetch RAVDESS speech from Zenodo (208.5 MB, CC BY-NC-SA 4.0), checked and unpacked; goes on if it broke off."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from ser.output import failing
    from training_pipeline.data.fetch import fetch_ravdess

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with failing(), Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("RAVDESS", total=None)
        found = fetch_ravdess(
            folder, progress=lambda done, total: bar.update(task, completed=done, total=total or None)
        )
        typer.echo(found)


Image = Annotated[str, typer.Option(envvar="PIPELINE_IMAGE", help="Default of the run's parameter `image`.")]
IMAGE = "speech-emotion-pipeline:latest"
Shards = Annotated[int, typer.Option(min=1, max=100, help="Tasks that share the features.")]
Host = Annotated[str, typer.Option(envvar="KFP_HOST", help="URL of Kubeflow Pipelines' API.")]
Namespace = Annotated[str | None, typer.Option(envvar="KFP_NAMESPACE", help="Namespace of a multi-user Kubeflow.")]
Experiment = Annotated[str, typer.Option(help="Experiment that the run belongs to.")]
Package = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="Compiled pipeline; default: compiled now.")
]
Parameters = Annotated[
    list[str] | None, typer.Option("--param", "-p", help="name=value of the pipeline; repeat. Numbers are numbers.")
]
EXPERIMENT = "speech-emotion"


@app.command("compile")
def compile_(
    output: Annotated[Path, typer.Option("--output", "-o", help="YAML to write.")] = Path("pipeline.yaml"),
    image: Image = IMAGE,
    fixed_image: Annotated[bool, typer.Option("--fixed-image", help="Write the image into every task.")] = False,
    shards: Shards = 1,
    volumes: Annotated[bool, typer.Option(help="Mount the claims of data and store; not for buckets.")] = True,
    work_volume: Annotated[bool, typer.Option(help="Mount a claim for checkpoints that outlive a task.")] = False,
    cpu: Annotated[str, typer.Option(help="Kubernetes quantity for each heavy task.")] = "2",
    memory: Annotated[str, typer.Option(help="Kubernetes quantity for each heavy task.")] = "4Gi",
    timeout_s: Annotated[int, typer.Option(min=1, help="Seconds for each heavy task.")] = 21600,
    short_timeout_s: Annotated[int, typer.Option(min=1, help="Seconds for each other task.")] = 1800,
) -> None:
    """Write the pipeline for Kubeflow Pipelines."""
    from training_pipeline.kubeflow.pipeline import Shape, compile_pipeline

    shape = Shape(image, fixed_image, shards, volumes, work_volume, cpu, memory, timeout_s, short_timeout_s)
    compile_pipeline(output, shape)
    typer.echo(output)


@app.command()
def submit(
    host: Host,
    package: Package = None,
    param: Parameters = None,
    image: Image = IMAGE,
    shards: Shards = 1,
    experiment: Experiment = EXPERIMENT,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Start a run on Kubeflow Pipelines."""
    from ser.output import failing
    from training_pipeline.kubeflow import client

    with failing():
        run_id = client.submit(
            host,
            package,
            client.parameters(param or [], image),
            shards=shards,
            experiment=experiment,
            namespace=namespace,
        )
        typer.echo(json.dumps({"run_id": run_id}) if as_json else f"run {run_id}")


@app.command()
def schedule(
    host: Host,
    cron: Annotated[str, typer.Option(help="Six fields, seconds first: `0 0 3 * * 0` is Sunday at 3.")],
    job_name: Annotated[str, typer.Option("--job-name", help="Of the recurring run; one of that name is replaced.")] = (
        "speech-emotion-retraining"
    ),
    package: Package = None,
    param: Parameters = None,
    image: Image = IMAGE,
    shards: Shards = 1,
    experiment: Experiment = EXPERIMENT,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Start a run at every time of a cron expression."""
    from ser.output import failing
    from training_pipeline.kubeflow import client

    with failing():
        job_id = client.schedule(
            host,
            package,
            client.parameters(param or [], image),
            cron=cron,
            job_name=job_name,
            shards=shards,
            experiment=experiment,
            namespace=namespace,
        )
        typer.echo(json.dumps({"recurring_run_id": job_id}) if as_json else f"recurring run {job_id}")


def _told(result: dict[str, Any]) -> str:
    decision, metrics = result["decision"], result["metrics"]
    lines = [
        f"held-out accuracy {metrics['held_out_accuracy']:.1%}, {metrics['latency_ms']:.1f} ms a window, "
        f"{metrics['bytes']} bytes",
        f"decision: {decision['verdict']}, {decision['reason']}",
    ]
    if result["version"] is None:
        lines.append("nothing was published")
    else:
        lines.append(
            f"version {result['version']}, label {result['label'] or 'none'} {result['label_reason']}".rstrip()
        )
    return "\n".join([*lines, f"report: {result['report']}"])
