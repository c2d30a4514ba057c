"""Values: documented, closed, read; the generated files are current."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import CHART, ROOT, SCENARIOS, binary, refusal, render

LOCK = (ROOT / "requirements" / "dev.txt").read_text()


ACCOUNT = {"serviceAccount": {"create": True}}
# Values that are not each other's alternative, all on: what is read shows in the manifests.
ALL_ON = {
    "gateway": {
        "ingress": {"tls": {"enabled": True}},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "web"}]},
        "pdb": {"enabled": True},
        "service": {"type": "LoadBalancer"},
        **ACCOUNT,
    },
    "modelServer": {
        "tls": {"enabled": True, "secretName": "s"},
        "metrics": {"enabled": True},
        "batching": {"enabled": True},
        **ACCOUNT,
    },
    "modelStore": {"type": "pvc"},
    "retraining": {"job": {"enabled": True}, "cronJob": {"enabled": True}, "data": {"existingClaim": "c"}, **ACCOUNT},
    "networkPolicy": {"enabled": True},
    "monitoring": {name: {"enabled": True} for name in ("serviceMonitor", "prometheusRule", "dashboard")},
    "tests": {"ingressUrl": "http://ingress"},
}
BUCKET = {
    "modelStore": {"type": "bucket", "bucket": {"url": "s3://models", "existingSecret": "s"}},
    "retraining": {"job": {"enabled": True}, "data": {"path": "s3://recordings"}},
    "monitoring": {"prometheusRule": {"enabled": True}},
}
SCALED = {"autoscaling": {"enabled": True}}
OTHER: dict[str, object] = {
    "gateway.settings": {"threads": 3},
    "gateway.ingress.paths": [{"path": "/changed", "pathType": "Exact"}],
    "modelServer.extraArgs": ["--changed"],
}
REFUSAL = "execution error at (speech-emotion/templates/validate.yaml"


def leaves(tree: dict[str, object], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for key, value in tree.items():
        if isinstance(value, dict) and value and key not in ("resources", "topologySpread", "labels", "settings"):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def other(value: object) -> object:
    """A value of the same type that is not this one."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return "changed"
        case list():
            return [{"name": "changed"}]
        case _:
            return {"changed": "yes"}


def nested(path: tuple[str, ...], value: object) -> dict[str, object]:
    return {path[0]: nested(path[1:], value) if path[1:] else value}


def test_readme_and_schema_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "helm/generate.py", "--check"], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_every_value_is_read_by_a_template(tmp_path: Path) -> None:
    """Changing a value changes the manifests, or is refused in a sentence of the chart's own."""
    builtin = {**SCALED, "engine": "builtin", "resources": {"limits": {"cpu": 4}}}
    bases = [ALL_ON, {"gateway": SCALED, "modelServer": builtin}, BUCKET]
    plain = [rendered(tmp_path, base) for base in bases]

    def read(leaf: tuple[tuple[str, ...], object]) -> bool:
        path, value = leaf
        change = nested(path, OTHER.get(".".join(path)) or other(value))
        return any(rendered(tmp_path, base, change) not in (old, "") for base, old in zip(bases, plain, strict=True))

    tree = yaml.safe_load((CHART / "values.yaml").read_text())
    del tree["valuesOf"]  # tells versions of values apart: test_upgrades.py
    values = list(leaves(tree))
    with ThreadPoolExecutor(4) as pool:
        unread = [
            ".".join(path) for (path, _), was_read in zip(values, pool.map(read, values), strict=True) if not was_read
        ]
    assert unread == []


def rendered(folder: Path, *values: dict[str, object]) -> str:
    command = [binary(), "template", "r", str(CHART), "--kube-version", "1.34.0", "--skip-schema-validation"]
    for each in values:
        path = folder / f"{uuid.uuid4().hex}.yaml"
        path.write_text(yaml.safe_dump(each))
        command += ["-f", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout or (done.stderr if REFUSAL in done.stderr else "")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("gateway.replcas=2", "additional properties 'replcas' not allowed"),
        ("gatway.replicas=2", "additional properties 'gatway' not allowed"),
        ("gateway.settings.max_duraton_s=3", "additional properties 'max_duraton_s' not allowed"),
        ("gateway.settings.max_duration_s=9999", "maximum: got 9,999, want 3,600"),
        ("modelStore.type=nfs", "value must be one of 'image', 'pvc', 'bucket'"),
        ("modelStore.type=bucket", "set modelStore.bucket.url, such as s3://my-bucket/models"),
        ("modelStore.bucket.url=/models", "does not match pattern"),
        ("modelStore.bucket.url=http://models", "does not match pattern"),
        ("modelStore.bucket.size=lots", "does not match pattern"),
        ("gateway.image.digest=latest", "does not match pattern"),
        ("retraining.job.enabled=true", "set modelStore.type=pvc"),
        ("gateway.httpRoute.enabled=true", "set gateway.httpRoute.parentRefs"),
        ("modelServer.tls.enabled=true", "set modelServer.tls.secretName"),
        ("gateway.spoolSize=4G", "does not match pattern"),
        ("gateway.settings.spool_dir=/x", "additional properties 'spool_dir' not allowed"),
        ("gateway.settings.port=80", "additional properties 'port' not allowed"),
        ("gateway.settings.model_server_ca_file=/x", "additional properties 'model_server_ca_file' not allowed"),
    ],
)
def test_bad_values_are_refused_by_name(given: str, says: str) -> None:
    assert says in refusal(given)


def test_contradictions_are_refused_in_a_sentence() -> None:
    few = ("gateway.autoscaling.enabled=true", "gateway.autoscaling.minReplicas=9")
    assert "gateway.autoscaling.minReplicas is above maxReplicas" in refusal(*few)
    assert "modelStore.moreModels names edge" in refusal("modelStore.modelName=edge", "modelStore.moreModels={edge}")
    assert "gateway.spoolSize is 3071Mi" in refusal("gateway.spoolSize=3071Mi")
    assert "gateway.spoolSize is 4Gi" in refusal("gateway.settings.max_spooled_bytes=4294967297")
    assert "limits.ephemeral-storage is 5Gi" in refusal("gateway.spoolSize=5Gi")
    assert "retraining needs recordings" in refusal("retraining.job.enabled=true", "modelStore.type=pvc")
    assert "set modelServer.tls.enabled=true" in refusal("modelServer.tls.clientSecretName=mine")


def test_a_batch_takes_whatever_a_gateway_sends_in_one_call() -> None:
    batching = "modelServer.batching.enabled=true"
    assert "maxBatchSize is 31, and gateways send up to 32 windows" in refusal(
        batching, "modelServer.batching.maxBatchSize=31"
    )
    assert "maxBatchSize is 32, and gateways send up to 33 windows" in refusal(
        batching, "gateway.settings.max_batch=33"
    )
    assert render(batching, "gateway.settings.max_batch=64", "modelServer.batching.maxBatchSize=64")


def test_attempts_to_load_that_end_too_soon_or_too_late_are_refused() -> None:
    assert "a broken version gives up after 20 s" in refusal("modelServer.load.retryIntervalSeconds=20")
    assert render("modelServer.load.retryIntervalSeconds=15", "modelServer.load.retries=2")
    assert "minimum: got 0, want 1" in refusal("modelServer.load.retries=0")
    job = ("retraining.job.enabled=true", "modelStore.type=pvc", "retraining.data.existingClaim=c")
    assert "retraining.timeoutSeconds is 300, and loading a version may take 300 s" in refusal(
        *job, "retraining.timeoutSeconds=300"
    )


@pytest.mark.parametrize("flag", ["--max_num_load_retries=0", "--grpc_max_threads=4", "--enable_batching"])
def test_flags_that_follow_from_values_are_not_given_twice(flag: str) -> None:
    said = refusal(f"modelServer.extraArgs[0]={flag}")
    assert f"modelServer.extraArgs has {flag.partition('=')[0]}, which the chart sets from other values" in said


@pytest.mark.parametrize("values", SCENARIOS, ids=lambda path: path.stem)
def test_scenarios_render_and_lint(values: Path) -> None:
    assert render(values=values)
    lint = [binary(), "lint", "--strict", str(CHART), "-f", str(values), "--kube-version", "1.34.0"]
    done = subprocess.run(lint, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_server_s_tag_is_the_locked_api_s() -> None:
    locked = re.search(r"^tensorflow-serving-api==(\S+)", LOCK, re.MULTILINE)
    assert locked
    assert yaml.safe_load((CHART / "values.yaml").read_text())["modelServer"]["image"]["tag"] == locked[1]


MAY_BE_NULL = [
    *("commonLabels", "imagePullSecrets", "gateway.ingress.moreHosts", "gateway.autoscaling.behavior"),
    *("modelStore.moreModels", "modelServer.resources", "gateway.resources", "gateway.topologySpread"),
]


@pytest.mark.parametrize("name", MAY_BE_NULL)
def test_a_null_in_place_of_a_list_or_of_fields_is_as_good_as_an_empty_one(name: str) -> None:
    assert render(f"{name}=null", "gateway.autoscaling.enabled=true")


@pytest.mark.parametrize("name", ["global", "service", "gateway.livenessProbe", "gateway.ingress.paths"])
def test_a_null_in_place_of_what_the_chart_needs_is_refused_by_name(name: str) -> None:
    assert f"{name} is null: leave it out to get its default" in refusal(f"{name}=null")


def test_a_pull_secret_without_a_name_is_refused() -> None:
    assert "missing property 'name'" in refusal("global.imagePullSecrets[0].nam=x")
