"""A real S3 server (Versity's gateway) on this machine, which pods reach by a Service, and what can happen to it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from speech_emotion.store.bucket import BucketStore
from tests.cluster.forward import NODE
from tests.cluster.kit import ROOT, Cluster

PROGRAMS = ROOT.parent / "shared" / "kubeflow" / "bin" / "programs.tar.xz"
PORT = 8333
"""The program's own: it takes no other."""
URL = "s3://models/speech"
SERVICE = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: bucket-server}}
---
apiVersion: v1
kind: Service
metadata: {{name: s3, namespace: bucket-server}}
spec: {{ports: [{{port: {PORT}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: s3
  namespace: bucket-server
  labels: {{kubernetes.io/service-name: s3}}
addressType: IPv4
endpoints: [{{addresses: ["{NODE}"]}}]
ports: [{{port: {PORT}}}]
"""
"""As `ci/bucket-values.yaml` names it."""


class S3Server:
    """The server's process, which can be stopped, held, and started with other keys on the same objects."""

    def __init__(self, program: Path, folder: Path) -> None:
        self._program, self._folder = program, folder
        self._process: subprocess.Popen[bytes] | None = None
        self.secret = "first-secret"

    def start(self) -> None:
        keys = {"ACCESS_KEY": "access", "SECRET_KEY": self.secret}
        self._process = subprocess.Popen([self._program, self._folder, "models"], env={**os.environ, **keys})
        deadline = time.monotonic() + 120
        while not self._answers():
            assert time.monotonic() < deadline, "the S3 server does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)
        self._process.kill()
        self._process.wait(60)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Connections are accepted, and nothing is answered."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)
        yield
        self._process.send_signal(signal.SIGCONT)

    def store(self) -> BucketStore:
        """The store in the bucket, as somebody outside the cluster opens it."""
        client = {"endpoint_url": f"http://127.0.0.1:{PORT}"}
        return BucketStore(URL, key="access", secret=self.secret, client_kwargs=client)

    @property
    def credentials(self) -> str:
        """A credentials file of AWS."""
        return f"[default]\naws_access_key_id = access\naws_secret_access_key = {self.secret}\n"

    def _answers(self) -> bool:
        try:
            return bool(self.store().files.exists("models"))
        except OSError:
            return False


@contextmanager
def s3_server(cluster: Cluster, folder: Path) -> Iterator[S3Server]:
    """The server with an empty bucket `models`, at `http://s3.bucket-server:8333` for pods; skips without it."""
    if not PROGRAMS.exists():
        pytest.skip(f"no {PROGRAMS}, which holds the S3 server")
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("", PORT))
        except OSError:
            pytest.skip(f"port {PORT}, the S3 server's only one, is taken")
    with tarfile.open(PROGRAMS, "r|xz") as programs:
        programs.extractall(folder, (member for member in programs if member.name == "s3server"), filter="data")
    server = S3Server(folder / "s3server", folder / "objects")
    cluster.apply(SERVICE)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        cluster.kubectl("delete", "namespace", "bucket-server", "--wait=false", check=False)
