"""Each step as a kfp component: a typed signature, our image, one call.

Only a function's own body reaches the container, so every import stands inside it; annotations stay objects, which
kfp reads (no `from __future__ import annotations`).
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, ClassificationMetrics, Dataset, Input, Markdown, Metrics, Model, Output

IMAGE = "speech-emotion-pipeline:latest"
"""Replaced by the pipeline's parameter `image`."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(data: str, report: Output[Markdown]) -> str:
    """Check the data set; a broken one fails here, its files named. Returns the digest of its content."""
    from training_pipeline.kubeflow import work

    return work.validate(data, report.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def features(data: str, digest: str, model: str, shard: int, shards: int, examples: Output[Dataset]) -> None:
    """Features of every clip (of every `shards`th one), in as many processes as there are cores."""
    from training_pipeline.kubeflow import work

    work.features(data, digest, model, shard, shards, examples.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gather(shards: Input[list[Dataset]], examples: Output[Dataset]) -> None:
    """The shards' features as one data set."""
    from training_pipeline.kubeflow import work

    work.gather([shard.path for shard in shards], examples.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train(examples: Input[Dataset], model: str, seed: int, checkpoints: str, trained: Output[Model]) -> None:
    """Train on the speakers that are not held out; goes on from `checkpoints` if that folder outlives the task."""
    from training_pipeline.kubeflow import work

    work.train(examples.path, model, seed, checkpoints, trained.path)
    trained.metadata.update(framework="tensorflow", model=model, seed=seed)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    examples: Input[Dataset],
    trained: Input[Model],
    model: str,
    seed: int,
    folds: int,
    data_name: str,
    licence: str,
    checkpoints: str,
    candidate: Output[Model],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    card: Output[Markdown],
    report: Output[HTML],
) -> None:
    """Measure on held-out speakers, and export the SavedModel with its card."""
    from training_pipeline.kubeflow import work

    options = {"folds": folds, "data_name": data_name, "licence": licence}
    found = work.evaluate(examples.path, trained.path, model, seed, checkpoints, candidate.path, options)
    work.show(found, metrics, confusion, card.path, report.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def compare(
    examples: Input[Dataset],
    candidate: Input[Model],
    store: str,
    name: str,
    margin: float,
    confidence: float,
    seed: int,
    report: Output[Markdown],
) -> str:
    """Compare with `stable`; returns the decision as JSON, which the steps after it obey."""
    from training_pipeline.kubeflow import work

    return work.compare(examples.path, candidate.path, store, name, margin, confidence, seed, report.path)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def publish(candidate: Input[Model], store: str, name: str, decision: str) -> int:
    """Bring the candidate into the store unless it was refused; returns its version, 0: none."""
    from training_pipeline.kubeflow import work

    return work.publish(candidate.path, store, name, decision)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def check(store: str, name: str, version: int, servers: str, timeout_s: float) -> float:
    """Replay the golden set through gRPC; a version that answers otherwise goes to quarantine and fails the run."""
    from training_pipeline.kubeflow import work

    return work.check(store, name, version, servers, timeout_s)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def promote(
    store: str, name: str, version: int, label: str, decision: str, servers: str, timeout_s: float
) -> NamedTuple("Promoted", [("label", str), ("reason", str)]):  # type: ignore[valid-type]
    """Give the checked version its label; returns the label given, and why another one."""
    from training_pipeline.kubeflow import work

    return work.promote(store, name, version, label, decision, servers, timeout_s)
