"""The wiring: validate -> train (features, train, evaluate) -> release (compare, publish, check, promote).

Starting a task takes longer than most steps, so a task is what the cache can serve as a whole: `validate` and
`release` look at data, servers and store, and always run; `train` follows from the data set's digest and the
parameters. A refusal is an output of `release`: no `dsl.If`, which the local runner skips.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from kfp import compiler, dsl, kubernetes
from kfp.dsl import PipelineTask
from kfp.dsl.base_component import BaseComponent
from kfp.dsl.python_component import PythonComponent

from training_pipeline.kubeflow import components
from training_pipeline.kubeflow.components import IMAGE
from training_pipeline.kubeflow.parameters import signature
from training_pipeline.retraining.options import TLS_OPTIONS, OptionError, find

NAME = "speech-emotion-retraining"
TLS_MOUNT = "/etc/model-server-tls"
BUCKET_MOUNT = "/etc/bucket"


@dataclass(frozen=True)
class Shape:
    """What is fixed when the pipeline is compiled. All else is a parameter of the run.

    `image`, `cpu` and `memory` are the defaults of the parameters of these names; with `fixed_image` the image is
    written into every task, and its parameter has no effect. `timeout_s` is how long features and train may take,
    `short_timeout_s` each other task. With `volumes` false neither data nor store is mounted: they are buckets, or the
    pipeline runs on this machine. With `work_volume` the work folder is on a claim of its own, else on that of the
    data. `tls_secret` names a Secret whose `ca.crt` the model servers' certificates are checked against; without it
    connections to them are plain. With `tls_client` they are shown its `tls.crt`, whose key is `tls.key`.
    `bucket_secret` names a Secret whose key `credentials` is a credentials file of AWS, for data and store in buckets,
    and `bucket_endpoint` is the URL of their server, if it is not that of AWS.
    """

    image: str = IMAGE
    fixed_image: bool = False
    shards: int = 1
    volumes: bool = True
    work_volume: bool = False
    cpu: str = "500m"
    memory: str = "4Gi"
    timeout_s: int = 6 * 3600
    short_timeout_s: int = 1800
    tls_secret: str = ""
    tls_client: bool = False
    bucket_secret: str = ""
    bucket_endpoint: str = ""

    def __post_init__(self) -> None:
        if self.tls_client and not self.tls_secret:
            raise OptionError("a client certificate needs the Secret that it is in")

    @property
    def defaults(self) -> dict[str, str]:
        """Of the pipeline's parameters that only Kubernetes needs, and of those that depend on what is mounted."""
        work = {"work": "/work/pipeline"} if self.work_volume else {} if self.volumes else {"work": ""}
        return {"image": self.image, "cpu": self.cpu, "memory": self.memory, **work}


def make_pipeline(shape: Shape = Shape()) -> Any:
    """The pipeline of this shape, as kfp's own object."""
    parameters = signature(**shape.defaults)

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
        task.set_container_image(shape.image if shape.fixed_image else given["image"])
        task.set_caching_options(cached)
        task.set_cpu_request(given["cpu"])
        task.set_memory_request(given["memory"]).set_memory_limit(given["memory"])
        kubernetes.set_timeout(task, shape.timeout_s if heavy else shape.short_timeout_s)
        for part in mounts.split():
            if shape.work_volume if part == "work" else shape.volumes:
                kubernetes.mount_pvc(task, pvc_name=given[f"{part}_pvc"], mount_path=f"/{part}")
        if mounts:
            _give_bucket(task, shape)
        return task

    valid = make(components.validate, mounts="data")
    checked = {"digest": valid.outputs["digest"], "findings": valid.outputs["findings"]}
    train, heard = _without(components.train, "heard"), {}
    if shape.shards > 1:
        with dsl.ParallelFor(list(range(shape.shards))) as shard:
            part = make(
                components.features,
                heavy=True,
                cached=True,
                mounts="data",
                shard=shard,
                shards=shape.shards,
                **checked,
            )
        shards = dsl.Collected(part.outputs["examples"])
        heard["heard"] = make(components.gather, cached=True, shards=shards).outputs["examples"]
        train = components.train
    trained = make(train, heavy=True, cached=True, mounts="data work", **checked, **heard)
    # The data set too: a stable version of other features must hear the held-out clips anew.
    released = make(
        components.release,
        mounts="data store",
        examples=trained.outputs["examples"],
        candidate=trained.outputs["candidate"],
    )
    if shape.tls_secret:
        for task in (valid, released):
            _give_certificates(task, shape)


def _without(component: PythonComponent, name: str) -> PythonComponent:
    """The component without an optional input: kfp's local runner wants every artifact that a component declares."""
    inputs = {each: spec for each, spec in component.component_spec.inputs.items() if each != name}
    return PythonComponent(replace(component.component_spec, inputs=inputs), component.python_func)


def _give_bucket(task: PipelineTask, shape: Shape) -> None:
    if shape.bucket_secret:
        kubernetes.use_secret_as_volume(task, secret_name=shape.bucket_secret, mount_path=BUCKET_MOUNT)
        task.set_env_variable("AWS_SHARED_CREDENTIALS_FILE", f"{BUCKET_MOUNT}/credentials")
    if shape.bucket_endpoint:
        task.set_env_variable("AWS_ENDPOINT_URL_S3", shape.bucket_endpoint)


def _give_certificates(task: PipelineTask, shape: Shape) -> None:
    kubernetes.use_secret_as_volume(task, secret_name=shape.tls_secret, mount_path=TLS_MOUNT)
    keys = ("ca.crt", "tls.crt", "tls.key") if shape.tls_client else ("ca.crt",)
    for option, key in zip(TLS_OPTIONS, keys, strict=False):
        task.set_env_variable(find(option).variable, f"{TLS_MOUNT}/{key}")


def compile_pipeline(path: Path, shape: Shape = Shape()) -> None:
    """Write the pipeline as YAML: its specification, and what only Kubernetes knows."""
    compiler.Compiler().compile(make_pipeline(shape), str(path))


def load_documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a compiled pipeline as data, without the versions of kfp that wrote it."""
    documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    documents[0].pop("sdkVersion", None)
    return documents
