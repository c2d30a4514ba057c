"""A bucket as model store: the sidecar, its credentials, what retraining and the network may do."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import CHART, container, kinds, one, render

BUCKET = ("modelStore.type=bucket", "modelStore.bucket.url=s3://models/speech")
SERVER = ("modelStore.bucket.endpoint=http://s3.example:9000", "modelStore.bucket.region=eu-central-1")
RETRAINING = ("retraining.job.enabled=true", "retraining.data.path=s3://recordings")


def pod(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = one(manifests, "Deployment", "-model-server")["spec"]["template"]["spec"]
    return spec


def sidecar(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = pod(manifests)["initContainers"]
    return dict(found)


def variables(container: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container.get("env", ())}


def test_a_sidecar_keeps_the_copy_and_holds_the_server_back_until_it_is_whole() -> None:
    manifests = render(*BUCKET, "modelStore.moreModels={edge}", "modelStore.bucket.size=1Gi")
    found = sidecar(manifests)
    assert found["restartPolicy"] == "Always"
    assert found["image"] == container(manifests, "-gateway")["image"]
    assert found["command"] == ["ser", "models", "sync", "s3://models/speech", "/models"]
    assert {"--require=speech_emotion", "--require=edge", "--every-s=2", "--status-port=9090"} <= set(found["args"])
    assert found["startupProbe"]["httpGet"] == {"path": "/readyz", "port": 9090}
    assert found["startupProbe"]["failureThreshold"] >= 3600  # an empty bucket is waited for
    assert {"name": "models", "emptyDir": {"sizeLimit": "1Gi"}} in pod(manifests)["volumes"]
    (limit,) = (int(arg.removeprefix("--max-bytes=")) for arg in found["args"] if arg.startswith("--max-bytes="))
    assert 0.9 * 2**30 < limit < 2**30  # the pod would be evicted above it
    server = container(manifests, "-model-server")
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in server["volumeMounts"]
    assert "PersistentVolumeClaim" not in kinds(manifests)


def test_credentials_come_from_the_account_or_from_a_secret_that_may_change() -> None:
    assert variables(sidecar(render(*BUCKET))) == {}
    assert [volume["name"] for volume in pod(render(*BUCKET))["volumes"]] == ["models", "config", "tmp"]
    manifests = render(*BUCKET, *SERVER, *RETRAINING, "modelStore.bucket.existingSecret=keys")
    job = one(manifests, "Job")["spec"]["template"]["spec"]
    for spec, found in ((pod(manifests), sidecar(manifests)), (job, job["containers"][0])):
        assert variables(found) == {
            "AWS_ENDPOINT_URL_S3": "http://s3.example:9000",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_SHARED_CREDENTIALS_FILE": "/etc/bucket/credentials",
        }
        # Not by subPath, and not as variables: neither would follow a change of the Secret.
        assert {"name": "bucket", "mountPath": "/etc/bucket", "readOnly": True} in found["volumeMounts"]
        assert {"name": "bucket", "secret": {"secretName": "keys"}} in spec["volumes"]
    assert "/etc/bucket" not in str(container(manifests, "-model-server"))
    google = render("modelStore.type=bucket", "modelStore.bucket.url=gs://m/p", "modelStore.bucket.existingSecret=k")
    assert variables(sidecar(google)) == {"GOOGLE_APPLICATION_CREDENTIALS": "/etc/bucket/credentials"}


def test_retraining_publishes_to_the_bucket() -> None:
    manifests = render(*BUCKET, *RETRAINING, "retraining.cronJob.enabled=true", "retraining.extraEnv[0].name=A")
    job = one(manifests, "Job")["spec"]["template"]["spec"]
    assert "--store=s3://models/speech" in job["containers"][0]["args"]
    assert job["containers"][0]["env"] == [{"name": "A"}]
    assert {volume["name"] for volume in job["volumes"]} == {"work", "tmp"}
    assert one(manifests, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"] == job


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("", 443), ("http://s3.example:9000", 9000), ("http://s3.example", 80), ("https://[2001:db8::1]:8443/", 8443)],
)
def test_a_network_policy_lets_the_sidecar_reach_the_bucket_and_nothing_else(endpoint: str, port: int) -> None:
    policies = ("networkPolicy.enabled=true", f"modelStore.bucket.endpoint={endpoint}")
    spec = one(render(*BUCKET, *policies), "NetworkPolicy", "-model-server")["spec"]
    assert [rule.get("ports", []) for rule in spec["egress"]] == [
        [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
        [{"port": port, "protocol": "TCP"}],
        [],
    ]
    assert spec["egress"][2] == {"to": [{"ipBlock": {"cidr": "169.254.0.0/16"}}]}
    assert spec["ingress"][-1]["ports"] == [{"port": 9090}]
    assert one(render("networkPolicy.enabled=true"), "NetworkPolicy", "-model-server")["spec"]["egress"] == []


def test_the_copy_s_metrics_are_scraped_beside_the_server_s() -> None:
    monitor = "monitoring.serviceMonitor.enabled=true"
    endpoints = one(render(*BUCKET, monitor), "ServiceMonitor", "-model-server")["spec"]["endpoints"]
    assert [(each["port"], each["path"]) for each in endpoints] == [("store", "/metrics")]
    both = one(render(*BUCKET, monitor, "modelServer.metrics.enabled=true"), "ServiceMonitor", "-model-server")
    assert [each["port"] for each in both["spec"]["endpoints"]] == ["rest", "store"]
    service = one(render(*BUCKET), "Service", "-model-server")
    assert {"name": "store", "port": 9090, "targetPort": 9090} in service["spec"]["ports"]
    assert service["metadata"]["labels"]["speech-emotion/metrics"] == "model-server"
    assert "9090" not in str(one(render(), "Service", "-model-server"))


def test_the_scenario_is_complete() -> None:
    manifests = render(values=CHART / "ci" / "bucket-values.yaml")
    assert sidecar(manifests)["command"][3] == "s3://models/speech"
    assert one(manifests, "CronJob")
