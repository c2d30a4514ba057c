"""Deployments, Jobs and test pods: secure, ended gently, named alike."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from preprocess_gateway.settings import Settings
from tests.chart.helm import APP_VERSION, NAME, SCENARIOS, container, kinds, one, pod_specs, render

RETRAINING = ("modelStore.type=pvc", "retraining.data.existingClaim=recordings")


@pytest.mark.parametrize("values", SCENARIOS, ids=lambda path: path.stem)
def test_every_pod_fits_the_restricted_profile(values: Path) -> None:
    specs = pod_specs(render(values=values))
    assert specs
    for spec in specs:
        assert spec["enableServiceLinks"] is False
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in (*spec.get("initContainers", ()), *spec["containers"]):
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert each["resources"]["requests"]
            assert each["resources"]["limits"]


@pytest.mark.parametrize("values", SCENARIOS, ids=lambda path: path.stem)
def test_every_temporary_folder_of_the_chart_has_a_limit(values: Path) -> None:
    """And what runs for long asks for the disk that it needs."""
    given = yaml.safe_load(values.read_text())
    extra = {each["name"] for part in given.values() if isinstance(part, dict) for each in part.get("extraVolumes", ())}
    for spec in pod_specs(render(values=values)):
        folders = {each["name"]: each["emptyDir"] for each in spec["volumes"] if "emptyDir" in each}
        assert [name for name, folder in folders.items() if "sizeLimit" not in folder and name not in extra] == []
        if spec["containers"][0]["name"] in ("gateway", "model-server", "retraining"):
            assert spec["containers"][0]["resources"]["requests"]["ephemeral-storage"]


def test_the_gateway_ends_within_its_grace() -> None:
    settings = ("gateway.settings.drain_s=7", "gateway.settings.grace_s=40", "gateway.preStopSeconds=9")
    manifests = render(*settings)
    spec = one(manifests, "Deployment", "-gateway")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] >= 7 + 40 + 9
    assert container(manifests, "-gateway")["lifecycle"] == {"preStop": {"sleep": {"seconds": 9}}}


def test_recordings_have_a_folder_that_holds_what_the_settings_allow() -> None:
    (tmp, folder) = one(render(), "Deployment", "-gateway")["spec"]["template"]["spec"]["volumes"]
    assert (tmp["name"], folder) == ("tmp", {"name": "recordings", "emptyDir": {"sizeLimit": "4Gi"}})
    mounts = {mount["name"]: mount["mountPath"] for mount in container(render(), "-gateway")["volumeMounts"]}
    data = one(render(), "ConfigMap", "-gateway")["data"]
    assert data["GATEWAY_SPOOL_DIR"] == mounts["recordings"]
    most = Settings.model_fields["max_spooled_bytes"].default
    exactly = (f"gateway.spoolSize={most // 1024}Ki", "gateway.resources.limits.ephemeral-storage=4294967296")
    assert one(render(*exactly), "Deployment", "-gateway")
    assert one(render("gateway.settings.workers=2"), "Deployment", "-gateway")  # who share the folder's limit


def test_a_model_server_outlives_what_clients_remember() -> None:
    manifests = render("modelServer.maxConnectionAgeMs=20000", "modelServer.dnsRefreshSeconds=15")
    seconds = container(manifests, "-model-server")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert seconds >= 20 * 1.1 + 15
    spec = one(manifests, "Deployment", "-model-server")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > seconds


def test_the_model_server_is_called_by_its_binary() -> None:
    server = container(render("modelServer.extraArgs[0]=--rest_api_num_threads=4"), "-model-server")
    assert server["command"] == ["/usr/bin/tensorflow_model_server"]
    assert "--model_config_file=/models/models.config" in server["args"]
    assert "--allow_version_labels_for_unavailable_models=true" in server["args"]
    assert server["args"][-1] == "--rest_api_num_threads=4"
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in server["volumeMounts"]


def test_settings_become_variables_as_written() -> None:
    sets = ("gateway.settings.max_body_bytes=33554432", "gateway.settings.model_label=canary")
    data = one(render(*sets), "ConfigMap", "-gateway")["data"]
    assert data["GATEWAY_MAX_BODY_BYTES"] == "33554432"
    assert data["GATEWAY_MODEL_LABEL"] == "canary"
    assert data["GATEWAY_MODEL_SERVER"] == f"dns:///{NAME}-model-server:8500"


def test_further_models_of_the_store_are_looked_for_and_served() -> None:
    manifests = render("modelStore.moreModels={edge,small}")
    assert one(manifests, "ConfigMap", "-gateway")["data"]["GATEWAY_MODEL_NAMES"] == "speech_emotion,edge,small"
    (fill,) = one(manifests, "Deployment", "-model-server")["spec"]["template"]["spec"]["initContainers"]
    assert fill["command"][-1] == "speech_emotion,edge,small"


def test_a_setting_that_is_a_list_becomes_one_variable() -> None:
    data = one(
        render("gateway.settings.cors_origins={https://a.example,http://b.example:8080}"), "ConfigMap", "-gateway"
    )["data"]
    assert data["GATEWAY_CORS_ORIGINS"] == "https://a.example,http://b.example:8080"


def test_changed_settings_restart_gateways_only() -> None:
    def checksums(manifests: list[dict]) -> list[dict]:
        names = ("-gateway", "-model-server")
        return [one(manifests, "Deployment", n)["spec"]["template"]["metadata"]["annotations"] for n in names]

    before, after = checksums(render()), checksums(render("gateway.settings.retry_after_s=9"))
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_replicas_are_left_to_the_autoscaler() -> None:
    manifests = render("gateway.autoscaling.enabled=true", "modelServer.autoscaling.enabled=true")
    for name in ("-gateway", "-model-server"):
        assert "replicas" not in one(manifests, "Deployment", name)["spec"]
        assert one(manifests, "HorizontalPodAutoscaler", name)["spec"]["behavior"]["scaleDown"]


def test_digest_registry_and_pull_secrets() -> None:
    digest = "sha256:" + "0" * 64
    sets = ("gateway.image.registry=registry.example", f"gateway.image.digest={digest}", "imagePullSecrets[0]=key")
    manifests = render(*sets)
    assert (
        container(manifests, "-gateway")["image"] == f"registry.example/speech-emotion/gateway:{APP_VERSION}@{digest}"
    )
    assert all(spec["imagePullSecrets"] == [{"name": "key"}] for spec in pod_specs(manifests))


def test_gpu_by_values() -> None:
    sets = ("modelServer.image.tag=2.21.0-gpu", r"modelServer.resources.limits.nvidia\.com/gpu=1")
    manifests = render(*sets, r"modelServer.nodeSelector.gpu=yes")
    assert container(manifests, "-model-server")["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert one(manifests, "Deployment", "-model-server")["spec"]["template"]["spec"]["nodeSelector"] == {"gpu": "yes"}


def test_tls_reaches_both_ends() -> None:
    manifests = render("modelServer.tls.enabled=true", "modelServer.tls.secretName=certificate")
    assert "--ssl_config_file=/etc/model-server-tls/ssl.config" in container(manifests, "-model-server")["args"]
    data = one(manifests, "ConfigMap", "-gateway")["data"]
    assert "/etc/model-server-ca/ca.crt" in data.values()
    mounts = container(manifests, "-gateway")["volumeMounts"]
    assert {"name": "model-server-ca", "mountPath": "/etc/model-server-ca", "readOnly": True} in mounts


def test_clients_show_a_certificate_of_their_own() -> None:
    tls = [f"modelServer.tls.{value}" for value in ("enabled=true", "secretName=server", "clientSecretName=client")]
    manifests = render(*RETRAINING, "retraining.job.enabled=true", *tls)
    data = one(manifests, "ConfigMap", "-gateway")["data"]
    assert data["GATEWAY_MODEL_SERVER_CLIENT_CERT_FILE"] == "/etc/model-server-client/tls.crt"
    assert data["GATEWAY_MODEL_SERVER_CLIENT_KEY_FILE"] == "/etc/model-server-client/tls.key"
    args = one(manifests, "Job")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--server-client-cert-file=/etc/model-server-client/tls.crt" in args
    assert "--server-client-key-file=/etc/model-server-client/tls.key" in args
    for pod in (one(manifests, "Deployment", "-gateway"), one(manifests, "Job")):
        spec = pod["spec"]["template"]["spec"]
        assert "client" in [v["secret"]["secretName"] for v in spec["volumes"] if "secret" in v]
        mounts = spec["containers"][0]["volumeMounts"]
        assert {"name": "model-server-client", "mountPath": "/etc/model-server-client", "readOnly": True} in mounts
    server = one(manifests, "Deployment", "-model-server")["spec"]["template"]["spec"]
    (script,) = (c["command"] for c in server["initContainers"] if c["name"] == "tls")
    assert script[-1] == "true"


def flags(*sets: str) -> dict[str, str]:
    """The model server's flags, by name."""
    args = container(render(*sets), "-model-server")["args"]
    return dict(arg.removeprefix("--").split("=", 1) for arg in args)


def test_who_waits_for_a_version_waits_for_all_attempts_to_load_it() -> None:
    load = ("modelServer.load.retries=3", "modelServer.load.retryIntervalSeconds=100", "modelServer.load.seconds=50")
    said = flags(*load)
    assert (said["max_num_load_retries"], said["load_retry_interval_micros"]) == ("3", "100000000")
    manifests = render(*RETRAINING, "retraining.job.enabled=true", *load)
    seconds = 3 * 100 + 4 * 50
    probe = container(manifests, "-model-server")["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == seconds
    assert one(manifests, "Deployment", "-model-server")["spec"]["progressDeadlineSeconds"] > seconds
    assert f"--timeout-s={seconds}" in one(manifests, "Job")["spec"]["template"]["spec"]["containers"][0]["args"]


def test_a_server_has_threads_for_twice_the_calls_of_all_gateways() -> None:
    assert flags()["grpc_max_threads"] == str(2 * 3 * 5)
    many = ("gateway.settings.workers=2", "gateway.settings.concurrency=4", "modelStore.moreModels={edge}")
    many += ("gateway.settings.max_spooled_bytes=1048576",)
    scaled = ("gateway.autoscaling.enabled=true", "gateway.autoscaling.maxReplicas=9")
    assert flags(*many, *scaled)["grpc_max_threads"] == str(2 * 10 * 2 * 8)
    assert flags("modelServer.grpcMaxThreads=7")["grpc_max_threads"] == "7"


@pytest.mark.parametrize(
    ("sets", "request_mib"),
    [
        ((), 384 + 2 * 192),
        (("modelServer.loadedVersions=3",), 384 + 3 * 192),
        (("modelServer.batching.enabled=true",), 384 + 2 * 192 + 256),
        (("modelServer.engine=builtin",), 640 + 2 * 192),
    ],
)
def test_a_server_s_memory_follows_from_what_it_loads(sets: tuple[str, ...], request_mib: int) -> None:
    resources = container(render(*sets), "-model-server")["resources"]
    assert resources["requests"]["memory"] == f"{request_mib}Mi"
    assert resources["limits"] == {"memory": f"{2 * request_mib}Mi"}
    chosen = container(render(*sets, "modelServer.resources.requests.memory=3Gi"), "-model-server")["resources"]
    assert chosen["requests"] == {**resources["requests"], "memory": "3Gi"}
    assert chosen["limits"] == {"memory": f"{6 * 1024}Mi"}
    limited = container(render(*sets, "modelServer.resources.limits.memory=9Gi"), "-model-server")["resources"]
    assert limited == {"requests": resources["requests"], "limits": {"memory": "9Gi"}}


def test_batching_is_off_until_it_is_asked_for() -> None:
    assert "enable_batching" not in flags()
    batching = ("modelServer.batching.enabled=true", "modelServer.batching.timeoutMicros=500")
    assert flags(*batching)["batching_parameters_file"] == "/etc/model-server/batching.config"
    written = one(render(*batching), "ConfigMap", "-model-server")["data"]["batching.config"]
    assert written.splitlines() == [
        "max_batch_size { value: 32 }",
        "batch_timeout_micros { value: 500 }",
        "max_enqueued_batches { value: 100 }",
        "num_batch_threads { value: 2 }",
    ]


def test_retraining_asks_the_servers_over_tls_and_never_sees_their_key() -> None:
    tls = ("modelServer.tls.enabled=true", "modelServer.tls.secretName=certificate")
    jobs = ("retraining.job.enabled=true", "retraining.cronJob.enabled=true")
    manifests = render(*RETRAINING, *jobs, *tls)
    pod = one(manifests, "Job")["spec"]["template"]["spec"]
    (runner,) = pod["containers"]
    assert "--server-ca-file=/etc/model-server-ca/ca.crt" in runner["args"]
    assert {"name": "model-server-ca", "mountPath": "/etc/model-server-ca", "readOnly": True} in runner["volumeMounts"]
    (secret,) = (volume["secret"] for volume in pod["volumes"] if volume["name"] == "model-server-ca")
    assert secret == {"secretName": "certificate", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    plain = one(render(*RETRAINING, *jobs), "Job")["spec"]["template"]["spec"]
    assert "ca-file" not in str(plain["containers"])
    assert "model-server-ca" not in str(plain["volumes"])


def test_retraining_is_off_by_default_and_shares_one_pod() -> None:
    assert not kinds(render()) & {"Job", "CronJob", "PersistentVolumeClaim"}
    manifests = render(*RETRAINING, "retraining.job.enabled=true", "retraining.cronJob.enabled=true")
    job = one(manifests, "Job")["spec"]
    assert one(manifests, "CronJob")["spec"]["jobTemplate"]["spec"] == job
    args = job["template"]["spec"]["containers"][0]["args"]
    assert args[:3] == ["ser", "pipeline", "run"]
    assert {"--data=/data", "--store=/models", f"--server={NAME}-model-server:8500"} <= set(args)


def test_the_store_s_claim_outlives_the_release() -> None:
    claim = one(render("modelStore.type=pvc"), "PersistentVolumeClaim")
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert "PersistentVolumeClaim" not in kinds(render("modelStore.type=pvc", "modelStore.pvc.existingClaim=mine"))


def test_each_revision_spreads_over_nodes_by_itself() -> None:
    for component in ("gateway", "model-server"):
        spec = one(render(), "Deployment", f"-{component}")["spec"]["template"]["spec"]
        (constraint,) = spec["topologySpreadConstraints"]
        assert constraint["matchLabelKeys"] == ["pod-template-hash"]
        assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == component


def test_the_built_in_engine_has_the_same_flags_and_probes() -> None:
    official, builtin = (
        container(render(f"modelServer.engine={each}"), "-model-server") for each in ("tensorflow-serving", "builtin")
    )
    assert builtin["image"] == f"speech-emotion/model_server:{APP_VERSION}"
    assert "command" not in builtin, "the image's own entry point"
    differing = ("image", "command", "resources")
    assert {k: v for k, v in builtin.items() if k not in differing} == {
        k: v for k, v in official.items() if k not in differing
    }
