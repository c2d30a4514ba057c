"""The model server with client certificates, batching and metrics, and with a broken version in its store."""

from __future__ import annotations

import json
import math
import shutil
import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from speech_emotion.channel import Tls
from speech_emotion.protos import get_model_status_pb2, model_service_pb2_grpc
from speech_emotion.store.servers import Address, ModelServers
from tests.cluster.kit import Cluster, wait_for
from tests.cluster.prometheus import Prometheus
from tests.cluster.release import Release
from tests.cluster.store import ser, store_pod
from tests.cluster.test_streams import Speaker
from tests.cluster.traffic import Traffic
from tests.support.certificates import needs_openssl, self_signed

pytestmark = needs_openssl
SETS = (
    "gateway.replicas=1",
    "modelStore.type=pvc",
    "modelServer.tls.enabled=true",
    "modelServer.tls.secretName=server",
    "modelServer.tls.clientSecretName=client",
    "modelServer.batching.enabled=true",
    "modelServer.load.seconds=15",
    "modelServer.load.retryIntervalSeconds=15",
    "modelServer.dnsRefreshSeconds=10",
    "modelServer.metrics.enabled=true",
    "monitoring.serviceMonitor.enabled=true",
    "monitoring.serviceMonitor.interval=5s",
    "monitoring.prometheusRule.enabled=true",
    "monitoring.dashboard.enabled=true",
)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Files of a client: a bundle with the server's certificate and its own, its certificate and its key."""
    folder = tmp_path_factory.mktemp("certificates")
    _, server = self_signed(folder, "server", "DNS:observed-speech-emotion-model-server")
    key, certificate = self_signed(folder, "client")
    bundle = folder / "ca.pem"
    bundle.write_text(server.read_text() + certificate.read_text())
    return Tls(bundle, certificate, key)


@pytest.fixture(scope="module")
def release(cluster: Cluster, tls: Tls) -> Iterator[Release]:
    with Release(cluster, "observed", sets=SETS) as release:
        folder = tls.ca_file.parent
        for name, *files in (
            ("server", "tls.crt=server.pem", "tls.key=server.key", "ca.crt=ca.pem"),
            ("client", "tls.crt=client.pem", "tls.key=client.key"),
        ):
            sources = [f"--from-file={at}={folder / file}" for at, file in (pair.split("=") for pair in files)]
            release.kubectl("create", "secret", "generic", name, *sources)
        release.helm("install")
        release.wait_for_answer()
        yield release


@pytest.fixture(scope="module")
def prometheus(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed (Debian: prometheus)")
    with Prometheus(release, tmp_path_factory.mktemp("prometheus")) as running:
        yield running


def test_a_server_answers_only_clients_that_show_a_certificate(release: Release, tls: Tls) -> None:
    name, request = f"{release.full_name}-model-server", get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "speech_emotion"

    def ask(pod: dict[str, Any], shown: Tls | None) -> None:
        with ModelServers(tls=shown).connect(Address(name, f"{pod['status']['podIP']}:8500")) as channel:
            model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=60)

    assert "Phase:          Succeeded" in release.cluster.helm("test", release.name, "-n", release.namespace)
    for pod in release.pods("model-server"):
        ask(pod, tls)
        for stranger in (None, Tls(tls.ca_file)):
            with pytest.raises(grpc.RpcError) as refused:
                ask(pod, stranger)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_every_panel_of_the_dashboard_has_data(release: Release, prometheus: Prometheus) -> None:
    config = release.get("configmap", f"{release.full_name}-dashboard")
    panels = json.loads(config["data"]["speech-emotion.json"])["panels"]
    queries = {
        target["expr"].replace("$release", release.full_name): panel["title"]
        for panel in panels
        for target in panel["targets"]
        if "speech_emotion_store_" not in target["expr"]  # of a bucket's copy: this release has a volume
    }
    assert queries

    def without_data() -> dict[str, str]:
        return {
            query: title for query, title in queries.items() if not any(map(math.isfinite, prometheus.values(query)))
        }

    (gateway,) = release.pods("gateway")
    with Traffic(release, clients=2), Speaker(f"http://{gateway['status']['podIP']}:8080") as speaker:
        end = time.monotonic() + 180
        while (missing := without_data()) and not speaker.error and time.monotonic() < end:
            time.sleep(1)
    assert missing == {}
    assert speaker.error is None
    (variable,) = (
        v for v in json.loads(config["data"]["speech-emotion.json"])["templating"]["list"] if v["type"] == "query"
    )
    assert variable["query"] == "label_values(speech_emotion_requests_in_progress, job)"
    assert len(prometheus.values("speech_emotion_requests_in_progress")) == 1


def test_the_model_servers_own_metrics_are_scraped_and_they_batch(release: Release, prometheus: Prometheus) -> None:
    job = f'{{job="{release.full_name}-model-server"}}'
    assert prometheus.values(f"up{job}") == [1, 1]
    assert sum(prometheus.values(f":tensorflow:serving:request_count{job}")) > 0
    assert sum(prometheus.values(f":tensorflow:serving:batching_session:wrapped_run_count{job}")) > 0


def test_a_broken_version_keeps_no_server_down_and_an_alert_names_it(release: Release, prometheus: Prometheus) -> None:
    store_pod(release)
    wait_for("an evaluation of each rule", lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"})
    assert prometheus.firing() == []
    with Traffic(release, clients=2) as traffic:
        broken = "mkdir -p /tmp/broken && echo broken > /tmp/broken/saved_model.pb"
        release.kubectl("exec", "model-store", "--", "sh", "-c", broken)
        ser(release, "models", "publish", "/tmp/broken", "--no-rehearsal")
        number = max(row["version"] for row in json.loads(ser(release, "models", "list", "--json"))["versions"])
        alerts = wait_for("the alert", prometheus.firing, 180)
        victim = release.ready("model-server")[0]
        release.kubectl("delete", "pod", victim, "--wait=false")
        wait_for("a new pod", lambda: len({*release.ready("model-server")} - {victim}) == 2, 240)
    (alert,) = alerts
    assert alert["labels"]["alertname"] == "SpeechEmotionVersionBroken"
    assert alert["annotations"]["summary"] == f"The model servers cannot load version {number} of speech_emotion."
    assert traffic.unheard == 0
    assert [(record.status, record.body) for record in traffic.report.failed] == []
    restarts = [s["restartCount"] for pod in release.pods("model-server") for s in pod["status"]["containerStatuses"]]
    assert restarts == [0, 0]
