"""A bucket as model store: empty, filled, promoted under load, away, held, with other keys, and emptied again."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from speech_emotion.store.bucket import BucketStore
from speech_emotion.store.labels import promote
from speech_emotion.store.publish import publish
from speech_emotion.store.servers import ModelServers
from tests.cluster.bucket import S3Server, s3_server
from tests.cluster.kit import CHART, ROOT, Cluster, wait_for
from tests.cluster.release import Release
from tests.cluster.traffic import Traffic
from tests.support.clips import tone
from training_pipeline.data.synthetic import write_synthetic

NAME = "speech_emotion"
FIRST, SECOND = ROOT / "models" / NAME / "1", ROOT / "models" / "edge" / "1"
"""Two small versions that ship."""
VALUES = CHART / "ci" / "bucket-values.yaml"
PROMOTIONS = 20
JOB = (
    "retraining.job.enabled=true",
    "retraining.data.path=s3://models/recordings/manifest.csv",
    "retraining.model=mlp",
    "retraining.resources.requests.cpu=50m",
    "retraining.retries=0",
    "retraining.extraArgs={--folds=0}",  # its labels are not those of the others: it becomes canary at most
)
WITHIN_S = 10.0


@pytest.fixture(scope="module")
def server(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(cluster, tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="module")
def release(cluster: Cluster, server: S3Server) -> Iterator[Release]:
    sets = ["modelServer.replicas=2", "modelServer.dnsRefreshSeconds=5"]
    with Release(cluster, "bucket", values=VALUES, sets=sets) as release:
        give_keys(release, server)
        release.helm("install", wait=False)
        yield release


def give_keys(release: Release, server: S3Server) -> None:
    """The Secret that the values name; pods are touched, so that kubelet looks at it at once."""
    words = ("create", "secret", "generic", "bucket", f"--from-literal=credentials={server.credentials}")
    release.cluster.apply(release.kubectl(*words, "--dry-run=client", "-o", "yaml"))
    release.kubectl("annotate", "pods", "--all", f"touched={time.monotonic()}", "--overwrite")


def log(release: Release, pod: str) -> str:
    return release.kubectl("logs", pod, "-c", "model-store", check=False)  # there is none before it starts


def addresses(release: Release) -> list[str]:
    return [pod["status"]["podIP"] for pod in release.pods("model-server") if "podIP" in pod["status"]]


def metric(address: str, name: str) -> float:
    lines = requests.get(f"http://{address}:9090/metrics", timeout=60).text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def answers_for(address: str, label: str) -> int:
    """The version that a server answers with for a label; 0 where it does not know the label."""
    found = requests.get(f"http://{address}:8501/v1/models/{NAME}/labels/{label}/metadata", timeout=60)
    return int(found.json()["model_spec"]["version"]) if found.ok else 0


def answering(release: Release) -> int:
    """The version that answers a client now."""
    body: dict[str, Any] = release.predict(tone()).json()
    return int(body["model"]["version"])


def promoted(release: Release, store: BucketStore, number: int) -> float:
    """Promote a version from outside of the cluster; seconds until every server and a client get it."""
    waiting = addresses(release)
    promote(store, NAME, number, servers=ModelServers([f"{address}:8500" for address in waiting], timeout_s=60))
    begun = time.monotonic()
    while waiting or answering(release) != number:
        waiting = [address for address in waiting if answers_for(address, "stable") != number]
        assert time.monotonic() - begun < 180, f"not promoted: {waiting}"
        time.sleep(0.1)
    return time.monotonic() - begun


def test_servers_start_once_the_bucket_has_a_version(release: Release, server: S3Server) -> None:
    wait_for("the sidecars", lambda: len(addresses(release)) == 2)
    names = [pod["metadata"]["name"] for pod in release.pods("model-server")]
    said = "is not a model store: it has no models.config"
    wait_for("the reason", lambda: all(said in log(release, name) for name in names))
    for pod in release.pods("model-server"):
        (waiting,) = pod["status"]["containerStatuses"]
        assert waiting["state"]["waiting"]["reason"] == "PodInitializing"
    store = server.store()
    assert [publish(store, NAME, folder) for folder in (FIRST, SECOND)] == [1, 2]
    promote(store, NAME, 1)
    for component in ("model-server", "gateway"):
        release.kubectl("rollout", "status", f"deployment/{release.full_name}-{component}", "--timeout=200s")
    release.wait_for_answer()
    assert answering(release) == 1
    assert all(log(release, name).count("is not a model store") == 1 for name in names)
    assert "Phase:          Succeeded" in release.cluster.helm("test", release.name, "-n", release.namespace)


def test_twenty_promotions_lose_no_request_and_are_quick(
    release: Release, server: S3Server, report: Callable[[str, object], None]
) -> None:
    store = server.store()
    with Traffic(release, clients=3, pause_s=0.1) as traffic:
        seconds = [promoted(release, store, 1 + turn % 2) for turn in range(1, PROMOTIONS + 1)]
    report("bucket", {"promoted_s": [round(each, 1) for each in seconds], **traffic.report.summary()})
    assert traffic.unheard == 0
    assert [(record.status, record.body) for record in traffic.report.failed] == []
    assert statistics.median(seconds) < WITHIN_S  # one may wait for the machine's two cores


def test_what_is_loaded_answers_whatever_happens_to_the_bucket(release: Release, server: S3Server) -> None:
    (one, *_) = (pod["metadata"]["name"] for pod in release.pods("model-server"))
    address = next(pod["status"]["podIP"] for pod in release.pods("model-server") if pod["metadata"]["name"] == one)
    synced = "speech_emotion_store_synced_timestamp_seconds"

    def told(words: str) -> Callable[[], bool]:
        return lambda: re.search(words, log(release, one)) is not None

    with Traffic(release, clients=2, pause_s=0.1) as traffic:
        with traffic.phase("away"):
            server.stop()
            wait_for("the sidecar's word", told("onnect"))
            before = metric(address, synced)
            assert time.time() - before > 1
            failures = metric(address, "speech_emotion_store_sync_failures_total")
            # A sidecar that starts while the bucket is away is ready by the copy of the one before.
            release.kubectl("exec", one, "-c", "model-store", "--", "sh", "-c", "kill 1", check=False)
            wait_for("the sidecar", lambda: restarted(release, one))
            assert failures >= 1
        with traffic.phase("back"):
            server.start()
            wait_for("the copy", lambda: metric(address, synced) > before)
            promoted(release, server.store(), 2)
        with traffic.phase("held"), server.held():
            time.sleep(5)
        with traffic.phase("other keys"):
            server.stop()
            server.secret = "second-secret"
            server.start()
            wait_for("the sidecar's word", told("ignature|orbidden|denied"))
            give_keys(release, server)
            promoted(release, server.store(), 1)  # once kubelet has brought the Secret
        with traffic.phase("emptied"):
            store = server.store()
            config = store.files.cat_file(f"{store.root}/models.config")
            store.files.rm(f"{store.root}/models.config")
            wait_for("the sidecar's word", told("is not a model store"))
            store.files.pipe_file(f"{store.root}/models.config", config)
            wait_for("the copy", told("is not a model store(.|\n)*equal to the store again"))
    assert traffic.unheard == 0
    assert [(record.status, record.body) for record in traffic.report.failed] == []


def restarted(release: Release, name: str) -> bool:
    """Whether the sidecar runs for the second time and its pod is ready."""
    (pod,) = (pod for pod in release.pods("model-server") if pod["metadata"]["name"] == name)
    (status,) = pod["status"]["initContainerStatuses"]
    return status["restartCount"] == 1 and bool(status["ready"]) and name in release.ready("model-server")


def test_retraining_publishes_to_the_bucket(release: Release, server: S3Server, tmp_path: Path) -> None:
    store = server.store()
    write_synthetic(tmp_path / "recordings")
    store.files.put(str(tmp_path / "recordings"), "models", recursive=True)
    release.helm("upgrade", sets=JOB, wait=False)
    job = f"job/{release.full_name}-retraining-2"
    release.kubectl("wait", job, "--for=condition=Complete", "--timeout=300s", timeout_s=320)
    assert store.read_config().labels(NAME)["canary"] == 3
    assert [answers_for(address, "canary") for address in addresses(release)] == [3, 3]


def test_nothing_stays_when_it_is_uninstalled(release: Release, server: S3Server) -> None:
    release.cluster.helm("uninstall", release.name, "-n", release.namespace)
    selector = f"app.kubernetes.io/instance={release.name}"
    kinds = "deployments,services,configmaps,secrets,cronjobs,persistentvolumeclaims"
    assert release.kubectl("get", kinds, "-l", selector, "-o", "name").split() == []
    assert server.store().versions(NAME) == [1, 2, 3]
