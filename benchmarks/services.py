"""The services of the comparison: this project's, and its peers in environments of their own.

`running(service, model)` starts one on free ports, waits for its first answer, and ends all its processes.
"""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks.peers.environments import PEERS, binaries, environment
from benchmarks.processes import end, tagged
from benchmarks.uploads import request_of
from speech_emotion.children import ending_in_order
from speech_emotion.listening import free_port
from tests.support.gateway import COMMAND as GATEWAY
from tests.support.model_server import command as model_server_command
from tests.support.model_server import environment as model_server_environment
from tests.support.model_server import real_server

ROOT = Path(__file__).parents[1]
START_S = 120.0
MODELS: Final[dict[str, Path]] = {
    "ann": ROOT / "models" / "speech_emotion" / "1",
    "edge": ROOT / "models" / "edge" / "2",
    "large": ROOT / "models" / "speech_emotion" / "3",
}
"""Models by the name on the page; `large` is the one that answers by default."""


@dataclass(frozen=True)
class Upload:
    """Where a service takes clips, and how (benchmarks.uploads)."""

    path: str
    body: str


@dataclass(frozen=True)
class Service:
    """What is measured. `command` of a peer has PYTHON's programs by name, and `{port}`."""

    name: str
    way: str
    """`ours`, `naive` or `handed` (benchmarks.peers.answers)."""
    folder: str = ""
    """Of a peer in benchmarks/peers."""
    command: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    form: Upload = Upload("/form", "form")
    raw: Upload = Upload("/raw", "raw")
    real_model_server: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    """Of this project's gateway, where they differ from the defaults."""

    @property
    def tags(self) -> tuple[str, ...]:
        """Of its processes."""
        return ("gateway", "model-server") if self.way == "ours" else ("peer",)


STAND_IN = Service("this project, model_server", "ours", form=Upload("/predict", "form"), raw=Upload("/predict", "raw"))
REAL = replace(STAND_IN, name="this project, TensorFlow Serving", real_model_server=True)


def ours(**settings: object) -> list[Service]:
    """The gateway with `model_server` and, where it can be found, with TensorFlow Serving."""
    found = [STAND_IN, REAL] if real_server() else [STAND_IN]
    return [replace(each, settings=settings) for each in found]


def peers(way: str) -> list[Service]:
    """All peers with features made in this way."""
    gunicorn = ["gunicorn", "--bind=127.0.0.1:{port}", "--threads=4", "service:app"]
    several = [*gunicorn[:-1], "--workers={cores}", gunicorn[-1]]
    served = ["bentoml", "serve", "service:Speech", "--host=127.0.0.1", "--port={port}"]
    quiet = {"BENTOML_DO_NOT_TRACK": "true", "RAY_USAGE_STATS_ENABLED": "0"}
    runtime = {"MLSERVER_PARALLEL_WORKERS": "0", "MLSERVER_HOST": "127.0.0.1", "MLSERVER_HTTP_PORT": "{port}"}
    runtime |= {"MLSERVER_GRPC_PORT": "{port2}", "MLSERVER_METRICS_PORT": "{port3}"}
    predict = "/v1/models/speech:predict"
    flask = Service("Flask", way, "flask", gunicorn)
    found = [
        flask,
        Service("BentoML", way, "bentoml", served, quiet),
        Service("MLServer", way, "mlserver", ["mlserver", "start", "."], runtime),
        Service("KServe", way, "kserve", ["python", "service.py"], {}, Upload(predict, "json"), Upload(predict, "raw")),
        Service("Ray Serve", way, "ray", ["python", "service.py"], quiet),
    ]
    if way == "handed":
        found.insert(1, Service("Flask, a worker for each core", way, "flask", several))
    return found


@dataclass(frozen=True)
class Running:
    """A service that answers; `probe_port` has the metrics of this project's gateway."""

    service: Service
    port: int
    probe_port: int
    first_answer_s: float


@dataclass(frozen=True)
class _Started:
    processes: Sequence[subprocess.Popen[bytes]]
    port: int
    probe_port: int = 0


@contextmanager
def running(service: Service, model: str, clip: bytes) -> Iterator[Running]:
    """The service with this model of MODELS, after it has answered `clip` for the first time."""
    with ending_in_order(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = _start_ours if service.way == "ours" else _start_peer
        programs = None if service.way == "ours" else binaries(service.folder)
        begun = time.monotonic()
        started = None
        try:
            started = start(service, MODELS[model], folder, programs)
            _wait(started, service.form, clip, folder / "log")
            yield Running(service, started.port, started.probe_port, time.monotonic() - begun)
        finally:
            for tag in service.tags:
                end(tag)
            for process in started.processes if started else ():
                process.wait(10)


def _start_ours(service: Service, model: Path, folder: Path, _: Path | None) -> _Started:
    """Both processes at once, as a cluster starts them."""
    config, model_port = folder / "models.config", free_port()
    port, probe_port = free_port(), free_port()
    store = folder / "speech_emotion"
    store.mkdir()
    (store / "1").symlink_to(model)
    config.write_text(
        f'model_config_list {{ config {{ name: "speech_emotion" base_path: "{store}" model_platform: "tensorflow" '
        'model_version_policy { all {} } version_labels { key: "stable" value: 1 } } }'
    )
    flags = [f"--port={model_port}", "--rest_api_port=0", f"--model_config_file={config}"]
    flags += ["--allow_version_labels_for_unavailable_models=true"]
    command = [*model_server_command(real_server() if service.real_model_server else None), *flags]
    settings = {"model_server": f"127.0.0.1:{model_port}", "port": port, "probe_port": probe_port, **service.settings}
    variables = {f"GATEWAY_{name.upper()}": str(value) for name, value in settings.items()} | {"TMPDIR": str(folder)}
    with (folder / "log").open("wb") as log:
        with tagged("model-server"):
            server = subprocess.Popen(
                command, cwd=ROOT, env=model_server_environment(), stdout=log, stderr=log, start_new_session=True
            )
        with tagged("gateway"):
            gateway = subprocess.Popen(
                [sys.executable, *GATEWAY], cwd=ROOT, env=environment(**variables), stdout=log, stderr=log
            )
    return _Started([server, gateway], port, probe_port)


def _start_peer(service: Service, model: Path, folder: Path, programs: Path | None) -> _Started:
    assert programs
    port = free_port()
    named = {"port": str(port), "port2": str(free_port()), "port3": str(free_port())}
    named["cores"] = str(len(os.sched_getaffinity(0)))
    program, *arguments = [each.format(**named) for each in service.command]
    variables = {name: value.format(**named) for name, value in service.variables.items()}
    variables |= {"WAY": service.way, "MODEL": str(model), "PORT": str(port)}
    variables |= dict.fromkeys(("HOME", "TMPDIR", "RAY_TMPDIR"), str(folder))
    variables["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    code = folder / "code"
    shutil.copytree(PEERS / service.folder, code)
    with (folder / "log").open("wb") as log, tagged("peer"):
        process = subprocess.Popen(
            [programs / program, *arguments], cwd=code, env=environment(**variables), stdout=log, stderr=log
        )
    return _Started([process], port)


def _wait(started: _Started, upload: Upload, clip: bytes, log: Path) -> None:
    """Ask until the clip is answered. Raises RuntimeError with the log if a process ends, or after START_S."""
    request = request_of(upload.path, upload.body, clip)
    head, _, payload = request.partition(b"\r\n\r\n")
    kind = next(line.split(b": ", 1)[1] for line in head.split(b"\r\n") if line.startswith(b"Content-Type"))
    until = time.monotonic() + START_S
    while time.monotonic() < until and all(process.poll() is None for process in started.processes):
        connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=60)
        try:
            connection.request("POST", upload.path, payload, {"Content-Type": kind.decode()})
            if connection.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):  # not there yet
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    raise RuntimeError(f"the service never answered:\n{log.read_text(errors='replace')[-4000:]}")
