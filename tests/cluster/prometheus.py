"""Debian's Prometheus beside the cluster, configured from a release's ServiceMonitors and PrometheusRule."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import requests
import yaml

from tests.cluster.kit import wait_for
from tests.cluster.release import Release
from tests.support.ports import free_port


class Prometheus:
    """A context manager: a server that scrapes the release's pods and evaluates its rules each second."""

    def __init__(self, release: Release, folder: Path) -> None:
        jobs = [job for monitor in release.get("servicemonitors")["items"] for job in _jobs(release, monitor)]
        (rule,) = release.get("prometheusrules")["items"]
        config = {
            "global": {"evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": jobs,
        }
        (folder / "rules.yml").write_text(yaml.safe_dump(rule["spec"]))
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        self._folder, self._address = folder, f"127.0.0.1:{free_port()}"

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an answer of Prometheus' API."""
        answer = requests.get(f"http://{self._address}/api/v1/{path}", params=parameters, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def values(self, expression: str) -> list[float]:
        """The value of each series that an expression has now."""
        return [float(series["value"][1]) for series in self.get("query", query=expression)["result"]]

    def rules(self) -> list[dict[str, Any]]:
        """Every rule with its state."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def firing(self) -> list[dict[str, Any]]:
        """Every alert that fires."""
        return [alert for alert in self.get("alerts")["alerts"] if alert["state"] == "firing"]

    def __enter__(self) -> Self:
        command = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*command, f"--web.listen-address={self._address}"], cwd=self._folder, stdout=log, stderr=log
            )
        wait_for("Prometheus", self._ready)
        return self

    def _ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        return requests.get(f"http://{self._address}/-/ready", timeout=5).status_code == 200

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()


def _jobs(release: Release, monitor: dict[str, Any]) -> list[dict[str, Any]]:
    """What the operator makes of a ServiceMonitor, with the pods of this moment: Debian's build cannot find them."""
    labels = monitor["spec"]["selector"]["matchLabels"]
    services = release.get("services", "-l", ",".join(f"{name}={value}" for name, value in labels.items()))["items"]
    return [
        {
            "job_name": f"{monitor['metadata']['name']}/{number}",
            "scrape_interval": endpoint["interval"],
            "scrape_timeout": endpoint["interval"],
            "metrics_path": endpoint["path"],
            "static_configs": [
                target
                for service in services
                for target in _targets(release, service["metadata"]["name"], endpoint["port"])
            ],
        }
        for number, endpoint in enumerate(monitor["spec"]["endpoints"])
    ]


def _targets(release: Release, service: str, port_name: str) -> Iterator[dict[str, Any]]:
    """Each pod behind a Service, with the labels that the operator gives it."""
    common = {"namespace": release.namespace, "service": service, "job": service, "endpoint": port_name}
    for part in release.get("endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]:
        ports = [port["port"] for port in part["ports"] if port["name"] == port_name]
        for each in part["endpoints"]:
            labels = {**common, "pod": each["targetRef"]["name"]}
            yield from ({"targets": [f"{each['addresses'][0]}:{port}"], "labels": labels} for port in ports)
