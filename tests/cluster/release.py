"""One installed release of the chart, asked through the ingress."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import requests

from tests.cluster.kit import CHART, REAL, Cluster, wait_for
from tests.support.clips import tone

# Two cores carry two nodes: what pods ask for must fit beside each other twice during a rollout.
SMALL = (
    "gateway.resources.requests.cpu=50m",
    "modelServer.resources.requests.cpu=50m",
    # Two cores carry everything here: to wait is no failure, to be turned away would be one.
    "gateway.settings.queue=8",  # all clients of a test at one gateway, as when the other is away
    "gateway.settings.queue_s=10",
)

CHOSEN_ID = 1_000_680_000
CHOSEN_BY_THE_CLUSTER = tuple(
    f"{part}.podSecurityContext.{field}={value}"
    for part in ("gateway", "modelServer", "retraining")
    for field, value in (("runAsUser", CHOSEN_ID), ("fsGroup", CHOSEN_ID), ("runAsGroup", "null"))
)
"""What OpenShift's admission fills in: an id of the namespace's range; the group is then 0, that of an unknown user."""


class Release:
    """`helm install` in a namespace of its own that enforces Pod Security `restricted`."""

    def __init__(self, cluster: Cluster, name: str, *, values: Path | None = None, sets: Sequence[str] = ()) -> None:
        self.cluster = cluster
        self.name = self.namespace = name
        self.host = f"{name}.localhost"
        self._values = ["-f", str(values)] if values else []
        engine = () if REAL else ("modelServer.engine=builtin",)
        self.sets = [f"gateway.ingress.host={self.host}", *SMALL, *engine, *sets]
        self.full_name = f"{name}-speech-emotion"

    def create_namespace(self) -> None:
        # An earlier release's may still be on its way out.
        self.cluster.kubectl("wait", "--for=delete", f"namespace/{self.namespace}", "--timeout=280s")
        self.cluster.kubectl("create", "namespace", self.namespace)
        label = "pod-security.kubernetes.io/enforce=restricted"
        self.cluster.kubectl("label", "namespace", self.namespace, label)

    def helm(self, verb: str, *arguments: str, sets: Sequence[str] = (), wait: bool = True, **options: Any) -> str:
        """`helm install` or `helm upgrade` with this release's values and more."""
        words = [*self._values, *(word for each in (*self.sets, *sets) for word in ("--set", each)), *arguments]
        if wait:
            words += ["--wait", "--timeout", "300s"]
        return self.cluster.helm(verb, self.name, CHART, "-n", self.namespace, *words, timeout_s=320, **options)

    def kubectl(self, *arguments: object, **options: Any) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, **options)

    def get(self, *arguments: object) -> dict[str, Any]:
        return self.cluster.get("-n", self.namespace, *arguments)

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Pods of a component that are not being deleted."""
        items = self.get("pods", "-l", f"app.kubernetes.io/component={component}")["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, component: str) -> list[str]:
        """Names of the component's pods that are ready."""
        return [
            pod["metadata"]["name"]
            for pod in self.pods(component)
            if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
        ]

    @property
    def url(self) -> str:
        return f"http://{self.cluster.address}/predict"

    def predict(self, data: bytes, *, timeout_s: float = 30) -> requests.Response:
        """Post a clip through the ingress."""
        headers = {"Host": self.host}
        return requests.post(self.url, files={"file": ("clip.wav", data)}, headers=headers, timeout=timeout_s)

    def wait_for_rollout(self) -> None:
        """Until every pod is of the newest revision and ready."""
        for component in ("gateway", "model-server"):
            deployment = f"deployment/{self.full_name}-{component}"
            self.kubectl("rollout", "status", deployment, "--timeout=300s", timeout_s=310)

    def wait_for_answer(self, seconds: float = 180) -> float:
        """Seconds until the ingress leads to an answer."""
        begun = time.monotonic()
        wait_for("an answer through the ingress", lambda: self.predict(tone()).status_code == 200, seconds)
        return time.monotonic() - begun

    def state(self) -> str:
        """Pods, events and the ends of logs: what to look at after a failure."""
        said = ("--all-containers", "--prefix", "--ignore-errors", "--tail=40", "--max-log-requests=50")
        questions = (
            ("get", "pods", "-o", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "-l", f"app.kubernetes.io/instance={self.name}", *said),
        )
        return "\n".join(self.kubectl(*question, check=False) for question in questions)

    def uninstall(self) -> None:
        """`helm uninstall`, and the namespace goes; nothing waits for pods' grace."""
        self.cluster.helm("uninstall", self.name, "-n", self.namespace, "--ignore-not-found", check=False)
        pods = ("delete", "pods", "--all", "--force", "--grace-period=0")
        self.kubectl(*pods, check=False)
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false", check=False)

    def __enter__(self) -> Self:
        self.create_namespace()
        return self

    def __exit__(self, error: object, *_: object) -> None:
        if error:
            print(self.state())
        self.uninstall()
