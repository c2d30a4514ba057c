"""The wiring: validate -> features -> train -> evaluate -> compare -> publish -> check -> promote.

A refusal travels as the parameter `decision`, which every later step obeys: no `dsl.If`, which the local runner skips.
What reads the data set or the store is never served from the cache; the features' cache key is the set's digest.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler, dsl, kubernetes
from kfp.dsl import PipelineTask

from training_pipeline.kubeflow import components
from training_pipeline.kubeflow.components import IMAGE

NAME = "speech-emotion-retraining"
DATA_MOUNT, STORE_MOUNT, WORK_MOUNT = "/data", "/store", "/work"


@dataclass(frozen=True)
class Shape:
    """What is fixed when the pipeline is compiled. All else is a parameter of the run.

    `image` is the default of the parameter of that name; with `fixed_image` it is written into every task, and the
    parameter has no effect. `cpu` and `memory` are what features, train and evaluate ask for, as Kubernetes
    quantities; `timeout_s` is how long each of these may take, `short_timeout_s` each other one. With `volumes` false
    nothing is mounted: data and store are buckets, or the pipeline runs on this machine.
    """

    image: str = IMAGE
    fixed_image: bool = False
    shards: int = 1
    volumes: bool = True
    work_volume: bool = False
    cpu: str = "2"
    memory: str = "4Gi"
    timeout_s: int = 6 * 3600
    short_timeout_s: int = 1800


def make_pipeline(shape: Shape = Shape()) -> Any:
    """The pipeline of this shape, as kfp's own object."""

    @dsl.pipeline(name=NAME, description="Retrain the model, and let it serve if it is better.")
    def retraining(
        image: str = shape.image,
        data: str = DATA_MOUNT,
        store: str = STORE_MOUNT,
        data_pvc: str = "speech-emotion-data",
        store_pvc: str = "speech-emotion-models",
        work_pvc: str = "speech-emotion-work",
        name: str = "speech_emotion",
        model: str = "mlp",
        label: str = "canary",
        servers: str = "",
        margin: float = 0.0,
        confidence: float = 0.95,
        folds: int = 5,
        seed: int = 0,
        data_name: str = "unnamed",
        licence: str = "unknown",
        load_timeout_s: float = 300.0,
    ) -> None:
        def place(task: PipelineTask, *, heavy: bool = False, cached: bool = False, data: bool = False) -> PipelineTask:
            _place(task, shape, image, heavy=heavy, cached=cached)
            if shape.volumes and data:
                kubernetes.mount_pvc(task, pvc_name=data_pvc, mount_path=DATA_MOUNT)
            return task

        def at_store(task: PipelineTask) -> PipelineTask:
            if shape.volumes:
                kubernetes.mount_pvc(task, pvc_name=store_pvc, mount_path=STORE_MOUNT)
            return task

        def at_work(task: PipelineTask) -> PipelineTask:
            if shape.work_volume:
                kubernetes.mount_pvc(task, pvc_name=work_pvc, mount_path=WORK_MOUNT)
            return task

        checkpoints = f"{WORK_MOUNT}/checkpoints" if shape.work_volume else ""
        valid = place(components.validate(data=data), data=True)
        common = {"data": data, "digest": valid.outputs["Output"], "model": model, "shards": shape.shards}
        if shape.shards == 1:
            task = place(components.features(shard=0, **common), heavy=True, cached=True, data=True)
            examples = task.outputs["examples"]
        else:
            with dsl.ParallelFor(list(range(shape.shards))) as shard:
                part = place(components.features(shard=shard, **common), heavy=True, cached=True, data=True)
            gathered = components.gather(shards=dsl.Collected(part.outputs["examples"]))
            examples = place(gathered, cached=True).outputs["examples"]
        trained = components.train(examples=examples, model=model, seed=seed, checkpoints=checkpoints)
        at_work(place(trained, heavy=True, cached=True))
        evaluated = components.evaluate(
            examples=examples,
            trained=trained.outputs["trained"],
            model=model,
            seed=seed,
            folds=folds,
            data_name=data_name,
            licence=licence,
            checkpoints=checkpoints,
        )
        at_work(place(evaluated, heavy=True, cached=True))
        candidate = evaluated.outputs["candidate"]
        at = {"store": store, "name": name}
        # The data set too: a stable version of other features must hear the held-out clips anew.
        compared = components.compare(
            examples=examples, candidate=candidate, margin=margin, confidence=confidence, seed=seed, **at
        )
        decision = at_store(place(compared, data=True)).outputs["Output"]
        published = at_store(place(components.publish(candidate=candidate, decision=decision, **at)))
        asked = {"version": published.output, "servers": servers, "timeout_s": load_timeout_s, **at}
        checked = at_store(place(components.check(**asked)))
        at_store(place(components.promote(label=label, decision=decision, **asked).after(checked)))

    return retraining


def compile_pipeline(path: Path, shape: Shape = Shape()) -> None:
    """Write the pipeline as YAML: its specification, and what only Kubernetes knows."""
    compiler.Compiler().compile(make_pipeline(shape), str(path))


def load_documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a compiled pipeline as data, without the versions of kfp that wrote it."""
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    documents[0].pop("sdkVersion", None)
    return documents


def _place(task: PipelineTask, shape: Shape, image: Any, *, heavy: bool, cached: bool) -> None:
    task.set_container_image(shape.image if shape.fixed_image else image)
    task.set_caching_options(cached)
    kubernetes.set_timeout(task, shape.timeout_s if heavy else shape.short_timeout_s)
    if heavy:
        task.set_cpu_request(shape.cpu).set_memory_request(shape.memory).set_memory_limit(shape.memory)
