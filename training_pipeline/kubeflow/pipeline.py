"""The wiring: validate -> features -> train -> evaluate -> compare -> publish -> check -> promote.

A refusal travels as the parameter `decision`, which every later step obeys: no `dsl.If`, which the local runner skips.
What reads the data set or the store is never served from the cache; the features' cache key is the set's digest.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler, dsl, kubernetes
from kfp.dsl import PipelineTask
from kfp.dsl.base_component import BaseComponent

from training_pipeline.kubeflow import components
from training_pipeline.kubeflow.components import IMAGE
from training_pipeline.kubeflow.parameters import signature
from training_pipeline.retraining.options import find

NAME = "speech-emotion-retraining"
TLS_MOUNT = "/etc/model-server-ca"


@dataclass(frozen=True)
class Shape:
    """What is fixed when the pipeline is compiled. All else is a parameter of the run.

    `image` is the default of the parameter of that name; with `fixed_image` it is written into every task, and the
    parameter has no effect. `cpu` and `memory` are what features, train and evaluate ask for, as Kubernetes
    quantities; `timeout_s` is how long each of these may take, `short_timeout_s` each other one. With `volumes` false
    nothing is mounted: data and store are buckets, or the pipeline runs on this machine. `tls_secret` names a Secret
    whose `ca.crt` the model servers' certificates are checked against; without it connections to them are plain.
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
    tls_secret: str = ""


def make_pipeline(shape: Shape = Shape()) -> Any:
    """The pipeline of this shape, as kfp's own object."""
    parameters = signature(shape.image)

    def retraining(*channels: Any) -> None:
        _wire(shape, dict(zip(parameters.parameters, channels, strict=True)))

    retraining.__dict__["__signature__"] = parameters
    return dsl.pipeline(name=NAME, description="Retrain the model, and let it serve if it is better.")(retraining)


def _wire(shape: Shape, given: dict[str, Any]) -> None:
    """Make every task; whatever input of a component is a parameter of the pipeline (`given`) comes from there."""

    def make(
        component: BaseComponent, *, heavy: bool = False, cached: bool = False, mounts: str = "", **inputs: Any
    ) -> PipelineTask:
        named = {name: given[name] for name in component.component_spec.inputs or {} if name in given}
        task = component(**{**named, **inputs})
        _place(task, shape, given["image"], heavy=heavy, cached=cached)
        for part in mounts.split():
            if shape.work_volume if part == "work" else shape.volumes:
                kubernetes.mount_pvc(task, pvc_name=given[f"{part}_pvc"], mount_path=f"/{part}")
        return task

    checkpoints = "/work/checkpoints" if shape.work_volume else ""
    valid = make(components.validate, mounts="data")
    listen = partial(make, components.features, heavy=True, cached=True, mounts="data")
    listen = partial(listen, digest=valid.outputs["Output"], shards=shape.shards)
    if shape.shards == 1:
        examples = listen(shard=0).outputs["examples"]
    else:
        with dsl.ParallelFor(list(range(shape.shards))) as shard:
            part = listen(shard=shard)
        shards = dsl.Collected(part.outputs["examples"])
        examples = make(components.gather, cached=True, shards=shards).outputs["examples"]
    heavy = partial(make, heavy=True, cached=True, mounts="work", examples=examples, checkpoints=checkpoints)
    trained = heavy(components.train).outputs["trained"]
    candidate = heavy(components.evaluate, trained=trained).outputs["candidate"]
    # The data set too: a stable version of other features must hear the held-out clips anew.
    compared = make(components.compare, mounts="data store", examples=examples, candidate=candidate)
    decision = compared.outputs["Output"]
    published = make(components.publish, mounts="store", candidate=candidate, decision=decision)
    served = {"version": published.output, "timeout_s": given["load_timeout_s"]}
    checked = make(components.check, mounts="store", **served)
    promoted = make(components.promote, mounts="store", decision=decision, **served).after(checked)
    if shape.tls_secret:
        for task in (checked, promoted):
            kubernetes.use_secret_as_volume(task, secret_name=shape.tls_secret, mount_path=TLS_MOUNT)
            task.set_env_variable(find("server_ca_file").variable, f"{TLS_MOUNT}/ca.crt")


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
