"""A cluster for tests: the one that `../shared/cluster` starts, or that of KUBECONFIG."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[2]
KIT = ROOT.parent / "shared" / "cluster" / "cluster"
TF_SERVING = ROOT.parent / "shared" / "tf_serving"
"""Context of an image of the real TensorFlow Serving."""
REAL = (TF_SERVING / "Dockerfile").exists()
"""Whether that image can be built; without it releases have this project's own model server."""
CHART = ROOT / "helm" / "speech-emotion"


class CommandError(AssertionError):
    """A command failed; the message has all that it printed."""


def run(*command: object, timeout_s: float = 300, env: dict[str, str] | None = None, check: bool = True) -> str:
    """Run a command; returns what it printed. Raises CommandError."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout_s, env=env, cwd=ROOT
    )
    if check and done.returncode:
        raise CommandError(f"{shlex.join(words)}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def wait_for(what: str, test: Callable[[], object], seconds: float = 180) -> Any:
    """What `test` returns once it is true; one that cannot connect is asked again. Raises AssertionError."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(requests.ConnectionError, requests.Timeout):
            if found := test():
                return found
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds} s")


@dataclass(frozen=True)
class Cluster:
    """kubectl and helm for one cluster; `kit` where nodes can be killed and images loaded."""

    environment: dict[str, str]
    kit: Path | None
    address: str
    """Where its ingress controller answers, from this machine."""
    secure_address: str
    """Where it answers by https."""

    @classmethod
    def start(cls) -> Cluster:
        """The kit's, with two nodes."""
        done = subprocess.run([KIT, "up"], capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise CommandError(done.stderr)
        exports = dict(
            line.removeprefix("export ").split("=", 1)
            for line in done.stdout.splitlines()
            if line.startswith("export ")
        )
        path = exports["PATH"].replace("$PATH", os.environ["PATH"])
        return cls({**os.environ, **exports, "PATH": path}, KIT, "127.0.0.1:8000", "127.0.0.1:8443")

    def stop(self) -> None:
        """Take the kit's cluster down."""
        run(self.kit, "down")

    def kubectl(self, *arguments: object, **options: Any) -> str:
        return run("kubectl", *arguments, env=self.environment, **options)

    def get(self, *arguments: object) -> dict[str, Any]:
        """`kubectl get` as data."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *arguments, "-o", "json"))
        return found

    def apply(self, manifest: str) -> None:
        """`kubectl apply` of a manifest's text."""
        done = subprocess.run(
            ["kubectl", "apply", "-f", "-"], input=manifest, env=self.environment, text=True, capture_output=True
        )
        if done.returncode:
            raise CommandError(done.stderr)

    def helm(self, *arguments: object, **options: Any) -> str:
        return run("helm", *arguments, env=self.environment, **options)

    def image(self, name: str, dockerfile: str | Path, *arguments: str, context: Path = ROOT) -> None:
        """Build an image and load it into every node."""
        assert self.kit, "images are built for the kit's cluster only"
        run(self.kit, "image", name, context, "-f", dockerfile, *arguments, timeout_s=1200)

    def kill(self, node: str) -> None:
        """Cut a node's power."""
        run(self.kit, "kill", node)

    def revive(self, node: str) -> None:
        """Start a killed node again."""
        run(self.kit, "revive", node)
