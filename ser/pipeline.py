"""`ser pipeline`: retrain here, or on Kubeflow Pipelines."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ser.options import with_options
from ser.output import StoreCommands, output_file, output_folder, writing
from training_pipeline.retraining.options import Options

app = typer.Typer(
    cls=StoreCommands,
    help="Retrain a model, here or on Kubeflow Pipelines: validate the data, train, evaluate, compare, publish, check.",
    epilog="Exit codes: 0 done, also if the candidate was refused (--json says so in `decision`), 1 any other failure, "
    "2 wrong usage, 5 the store's stable version changed meanwhile, 6 a model server does not serve the version, "
    "7 the data set is broken, 8 the version answered wrongly: it was not published, or is in quarantine.",
    no_args_is_help=True,
)


AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
@with_options
def run(options: Options, as_json: AsJson = False) -> None:
    """Run the whole pipeline in this process, without Kubeflow.

    A label is given only once every model server serves the version: name them with --server, or use --offline.
    Without servers the version is checked on a model server of its own. The data set needs three speakers.
    """
    import logging

    from ser.output import progress
    from speech_emotion.cpus import limit_threads

    limit_threads()  # before numpy and TensorFlow
    from training_pipeline.retraining.run import run as retrain

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with writing(options.work):
        result = retrain(options, progress)
    typer.echo(json.dumps(result) if as_json else _told(result))


class Fetched(StrEnum):
    """What can be fetched."""

    ravdess = "ravdess"
    crema_d = "crema-d"
    nemo = "nemo"


@app.command()
def fetch(
    folder: Annotated[Path, typer.Argument(callback=output_folder, help="Folder for the downloads and the clips.")],
    corpus: Annotated[Fetched, typer.Option(help="Fetch this corpus.")] = Fetched.ravdess,
) -> None:
    """Fetch a corpus from its authors, check every file, and print its folder; an interrupted download resumes.

    RAVDESS speech (208.5 MB, CC BY-NC-SA 4.0) comes from Zenodo; CREMA-D (606 MB, ODbL 1.0) and nEMO (532 MB,
    CC BY-NC-SA 4.0) from their repositories on GitHub. The terms of a licence apply to models of the corpus too.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    from training_pipeline.data.fetch import CORPORA

    chosen = CORPORA[corpus.value]
    typer.echo(f"{corpus.value}: {chosen.licence}; {chosen.citation}", err=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with writing(folder), Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(corpus.value, total=None)
        found = chosen.fetch(folder, progress=lambda done, total: bar.update(task, completed=done, total=total or None))
        typer.echo(found)


Image = Annotated[
    str, typer.Option(envvar="PIPELINE_IMAGE", help="Image of the tasks: the default of the parameter `image`.")
]
IMAGE = "speech-emotion-pipeline:latest"
Shards = Annotated[int, typer.Option(min=1, max=100, help="Share the work on features among N tasks.")]
Host = Annotated[str, typer.Option(envvar="KFP_HOST", help="URL of the API of Kubeflow Pipelines.")]
Namespace = Annotated[str | None, typer.Option(envvar="KFP_NAMESPACE", help="Namespace of a multi-user Kubeflow.")]
Experiment = Annotated[str, typer.Option(help="Experiment that the run belongs to.")]
Package = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Use this compiled pipeline instead of compiling it now."),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        help="Set a parameter, NAME=VALUE, of those in docs/pipeline.md; repeat it.",
    ),
]
EXPERIMENT = "speech-emotion"


def _yaml_file(path: Path) -> Path:
    if path.suffix not in (".yaml", ".yml"):  # kfp refuses others
        raise typer.BadParameter(f"{path} must end in .yaml")
    output_file(path)
    return path


Cpu = Annotated[str, typer.Option(help="Default of the parameter `cpu`: what each task asks for, as `2` or `500m`.")]
Memory = Annotated[str, typer.Option(help="Default of the parameter `memory`: what each task may use, as `4Gi`.")]


@app.command("compile")
def compile_(
    output: Annotated[Path, typer.Option("--output", "-o", callback=_yaml_file, help="The YAML file to write.")] = Path(
        "pipeline.yaml"
    ),
    image: Image = IMAGE,
    fixed_image: Annotated[
        bool,
        typer.Option("--fixed-image", help="Write the image into every task, so that a run cannot choose another."),
    ] = False,
    shards: Shards = 1,
    volumes: Annotated[bool, typer.Option(help="Mount the volume claims of data and store; buckets need none.")] = True,
    work_volume: Annotated[
        bool, typer.Option(help="Keep checkpoints and features on a volume claim of their own, not beside the data.")
    ] = False,
    cpu: Cpu = "500m",
    memory: Memory = "4Gi",
    timeout_s: Annotated[int, typer.Option(min=1, help="End `train` or `features` after N seconds.")] = 21600,
    short_timeout_s: Annotated[int, typer.Option(min=1, help="End any other task after N seconds.")] = 1800,
    tls_secret: Annotated[
        str, typer.Option(help="Check model servers against `ca.crt` of this Secret; without it connections are plain.")
    ] = "",
    tls_client: Annotated[
        bool,
        typer.Option(
            "--tls-client", help="Show model servers the certificate `tls.crt` (key `tls.key`) of the Secret."
        ),
    ] = False,
    bucket_secret: Annotated[
        str,
        typer.Option(
            help="Read and write buckets with the key `credentials` of this Secret, a credentials file of AWS; without "
            "it the ServiceAccount of the run has access."
        ),
    ] = "",
    bucket_endpoint: Annotated[str, typer.Option(help="URL of the S3 server; default: that of AWS.")] = "",
) -> None:
    """Compile the pipeline for Kubeflow Pipelines to a YAML file."""
    from training_pipeline.kubeflow.pipeline import Shape, compile_pipeline

    if tls_client and not tls_secret:
        raise typer.BadParameter("--tls-client needs --tls-secret, the Secret that has the certificate")
    shape = Shape(
        image=image,
        fixed_image=fixed_image,
        shards=shards,
        volumes=volumes,
        work_volume=work_volume,
        cpu=cpu,
        memory=memory,
        timeout_s=timeout_s,
        short_timeout_s=short_timeout_s,
        tls_secret=tls_secret,
        tls_client=tls_client,
        bucket_secret=bucket_secret,
        bucket_endpoint=bucket_endpoint,
    )
    with writing(output):
        compile_pipeline(output, shape)
    typer.echo(output)


@app.command()
def draw(
    package: Package = None,
    shards: Shards = 1,
) -> None:
    """Print the compiled pipeline as a Mermaid flowchart: its tasks and their artifacts."""
    from training_pipeline.kubeflow.client import Order, specification
    from training_pipeline.kubeflow.diagram import mermaid

    typer.echo(mermaid(specification(Order(IMAGE, package, shards=shards))), nl=False)


@app.command()
def submit(
    host: Host,
    package: Package = None,
    param: Parameters = None,
    image: Image = IMAGE,
    shards: Shards = 1,
    experiment: Experiment = EXPERIMENT,
    namespace: Namespace = None,
    wait: Annotated[
        bool,
        typer.Option("--wait", help="Wait for the end of the run, and show each task's state and a failure's log."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start a run on Kubeflow Pipelines. With --wait, a run that fails is exit code 1."""
    from training_pipeline.kubeflow import client
    from training_pipeline.kubeflow.follow import follow

    place = client.Place(host, namespace)
    run_id = client.submit(place, client.Order(image, package, param or [], shards), experiment)
    if not wait:
        typer.echo(json.dumps({"run_id": run_id}) if as_json else f"run {run_id}")
        return
    typer.echo(f"run {run_id}", err=as_json)
    ended = follow(place, run_id, lambda line: typer.echo(line, err=True))
    typer.echo(json.dumps(ended.to_json()) if as_json else ended.told())
    raise typer.Exit(0 if ended.succeeded else 1)


def _cron(text: str) -> str:
    if not text.startswith("@") and len(text.split()) != 6:  # @weekly and its like
        raise typer.BadParameter(f"{text!r} has {len(text.split())} fields; six are needed, seconds first")
    return text


@app.command()
def schedule(
    host: Host,
    cron: Annotated[
        str,
        typer.Option(callback=_cron, help="When to start: six fields, seconds first; `0 0 3 * * 0` is Sunday at 3."),
    ],
    job_name: Annotated[
        str, typer.Option("--job-name", help="Name of the recurring run; one with that name is replaced.")
    ] = ("speech-emotion-retraining"),
    package: Package = None,
    param: Parameters = None,
    image: Image = IMAGE,
    shards: Shards = 1,
    experiment: Experiment = EXPERIMENT,
    namespace: Namespace = None,
    as_json: AsJson = False,
) -> None:
    """Start a run at each time of a cron expression."""
    from training_pipeline.kubeflow import client

    order = client.Order(image, package, param or [], shards)
    place = client.Place(host, namespace)
    job_id = client.schedule(place, order, experiment, cron=cron, job_name=job_name)
    typer.echo(json.dumps({"recurring_run_id": job_id}) if as_json else f"recurring run {job_id}")


def _told(result: dict[str, Any]) -> str:
    decision, metrics = result["decision"], result["metrics"]
    low, high = metrics["accuracy_interval"]
    lines = [
        f"held-out accuracy {metrics['held_out_accuracy']:.1%} ({low:.1%} to {high:.1%}); always saying "
        f"{metrics['majority']}: {metrics['majority_share']:.1%}; chance: {metrics['chance']:.1%}",
        f"{metrics['latency_ms']:.1f} ms a window, {metrics['bytes']} bytes",
        f"decision: {decision['verdict']}, {decision['reason']}",
    ]
    if result["version"] is None:
        lines.append("nothing was published")
    else:
        lines.append(
            f"version {result['version']}, label {result['label'] or 'none'} {result['label_reason']}".rstrip()
        )
    return "\n".join([*lines, f"report: {result['report']}"])
