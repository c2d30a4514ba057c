"""Each task as a kfp component: a typed signature, our image, one call.

Only a function's own body reaches the container, so every import stands inside it; annotations stay objects, which
kfp reads (no `from __future__ import annotations`).
"""

from typing import NamedTuple, Optional

from kfp import dsl
from kfp.dsl import HTML, ClassificationMetrics, Dataset, Input, Markdown, Metrics, Model, Output

IMAGE = "speech-emotion-pipeline:latest"
"""Replaced by the pipeline's parameter `image`."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    data: str, model: str, servers: str, label: str, load_timeout_s: float, report: Output[Markdown]
) -> NamedTuple("Validated", [("digest", str), ("findings", str)]):  # type: ignore[valid-type]
    """Look at the servers, then check the data set; `findings` stop the next task, so that the report is kept."""
    from training_pipeline.kubeflow.work import data as work

    return work.validate(data, model, servers, label, load_timeout_s, report.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def features(
    data: str, digest: str, findings: str, model: str, shard: int, shards: int, cpu: str, examples: Output[Dataset]
) -> None:
    """Features of every `shards`th clip, in a process for each CPU that the task asks for."""
    from training_pipeline.kubeflow.work import data as work

    work.features(data, digest, findings, model, shard, shards, cpu, examples.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gather(shards: Input[list[Dataset]], examples: Output[Dataset]) -> None:
    """The shards' features as one data set."""
    from training_pipeline.kubeflow.work import data as work

    work.gather([shard.path for shard in shards], examples.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(
    data: str,
    digest: str,
    findings: str,
    model: str,
    seed: int,
    folds: int,
    data_name: str,
    licence: str,
    work: str,
    cache_max_bytes: int,
    cpu: str,
    examples: Output[Dataset],
    candidate: Output[Model],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    card: Output[Markdown],
    report: Output[HTML],
    heard: Optional[Input[Dataset]] = None,  # noqa: UP045 - kfp reads this form alone
) -> None:
    """Features, training, and the measurement on held-out speakers; resumes in the folder `work`."""
    from training_pipeline.kubeflow.work import candidate as made

    options = {"model": model, "seed": seed, "folds": folds, "data_name": data_name, "licence": licence}
    options |= {"work": work, "cache_max_bytes": cache_max_bytes, "cpu": cpu}
    found = made.train(data, digest, findings, heard.path if heard else "", options, examples.path, candidate.path)
    candidate.metadata.update(framework="tensorflow", model=model, seed=seed)
    made.show(found, metrics, confusion, card.path, report.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def release(
    examples: Input[Dataset],
    candidate: Input[Model],
    store: str,
    name: str,
    label: str,
    margin: float,
    confidence: float,
    seed: int,
    servers: str,
    load_timeout_s: float,
    report: Output[Markdown],
) -> NamedTuple("Released", [("verdict", str), ("version", int), ("label", str), ("reason", str)]):  # type: ignore[valid-type]
    """Compare with `stable`; a better candidate is published, checked on every server, and gets the label."""
    from training_pipeline.kubeflow.work import release as work

    options = {"name": name, "label": label, "margin": margin, "confidence": confidence, "seed": seed}
    return work.release(examples.path, candidate.path, store, options, servers, load_timeout_s, report.path)
