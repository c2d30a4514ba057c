"""What is wrong says so: at install, in events or in logs; and readiness stays false."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from tests.cluster.kit import Cluster, CommandError, wait_for
from tests.cluster.release import Release

SINGLE = ("gateway.replicas=1", "modelServer.replicas=1")


@contextmanager
def installed(cluster: Cluster, name: str, sets: Sequence[str]) -> Iterator[Release]:
    with Release(cluster, name, sets=[*SINGLE, *sets]) as release:
        release.helm("install", wait=False)
        yield release
        assert release.ready("gateway") == []
        assert release.predict(b"").status_code in (404, 503)


def logs(release: Release, component: str, container: str) -> str:
    pods = release.pods(component)
    return release.kubectl("logs", pods[0]["metadata"]["name"], "-c", container, check=False) if pods else ""


def test_bad_values_are_refused_at_install(cluster: Cluster) -> None:
    with Release(cluster, "mistyped") as release:
        with pytest.raises(CommandError, match="additional properties 'replcas' not allowed"):
            release.helm("install", sets=["gateway.replcas=3"])
        with pytest.raises(CommandError, match=r"set modelStore\.type=pvc"):
            release.helm("install", sets=["retraining.job.enabled=true"])
        assert release.get("deployments")["items"] == []


def test_a_missing_secret_is_named_in_the_pod_s_events(cluster: Cluster) -> None:
    tls = ("modelServer.tls.enabled=true", "modelServer.tls.secretName=absent")
    with installed(cluster, "no-secret", tls) as release:
        said = 'secret "absent" not found'
        wait_for("the event", lambda: said in release.kubectl("get", "events", "-o", "wide"))
        assert release.ready("model-server") == []


def test_a_store_without_the_model_is_named_in_the_log(cluster: Cluster) -> None:
    with installed(cluster, "no-model", ["modelStore.modelName=absent"]) as release:
        said = "no model in the store: models.config does not name absent; set modelStore.modelName"
        wait_for("the log", lambda: said in logs(release, "model-server", "model-store"))
        assert release.ready("model-server") == []


def test_a_wrong_label_is_named_in_the_log(cluster: Cluster) -> None:
    with installed(cluster, "no-label", ["gateway.settings.model_label=absent"]) as release:
        wait_for("the model server", lambda: release.ready("model-server"))
        said = "Unrecognized servable version label: absent"
        wait_for("the log", lambda: said in logs(release, "gateway", "gateway"))
