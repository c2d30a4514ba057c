"""gunicorn's configuration, from the gateway's own settings.

`gunicorn -c python:preprocess_gateway.process.gunicorn_conf`
"""

from __future__ import annotations

import os

# Before numpy is imported. Requests are the parallelism: with threads of BLAS beside them, two workers on two cores
# answered a fifth or less of what they answer without.
os.environ["OPENBLAS_NUM_THREADS"] = os.environ.get("OPENBLAS_NUM_THREADS", "1")

import signal
import socket
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING

from gunicorn.arbiter import Arbiter

from preprocess_gateway.process.metrics_dir import MetricsDir
from preprocess_gateway.quotas import Ledger
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry import logs
from speech_emotion.listening import PORT_ERRORS, host_port, listening_host, open_listener

if TYPE_CHECKING:
    from preprocess_gateway.process.worker import Worker

SPARE_ROWS = 64

_settings = Settings()
_host = listening_host(_settings.host)
bind = host_port(_host, _settings.port)
workers = _settings.worker_count
wsgi_app = "preprocess_gateway.process.runtime:serve()"
worker_class = "preprocess_gateway.process.worker.Worker"
threads = _settings.max_connections
worker_connections = 2 * _settings.max_connections  # as many again may idle between two requests, without a thread
keepalive = 120  # longer than proxies keep idle connections (Traefik: 90 s): none then sends into a closing one
graceful_timeout = _settings.grace_s + int(_settings.drain_s) + 1
timeout = 60
forwarded_allow_ips = ""  # whom to believe, and what, is decided in http/proxies.py alone; gunicorn believes loopback
secure_scheme_headers: dict[str, str] = {}
forwarder_headers = ""
preload_app = False  # a gRPC channel must not cross a fork; `on_starting` imports what can be shared
control_socket_disable = True  # it would lie in the home folder, one for all gateways of a user
logconfig_dict = logs.config(_settings)

# Before prometheus_client is imported, which decides by it: workers share their figures through files.
_metrics_dir = MetricsDir.of(_settings.metrics_dir)
os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics_dir.path)

ledger = Ledger(2 * workers + SPARE_ROWS)  # workers that are replaced overlap with those that take their place


def on_starting(server: Arbiter) -> None:
    """Say which setting names a port or an address that cannot be had, before gunicorn retries."""
    ports = (("GATEWAY_PORT", _settings.port), ("GATEWAY_PROBE_PORT", _settings.probe_port))
    taken: list[socket.socket] = []
    try:
        for setting, port in ports:
            try:
                taken.append(open_listener(_host, port))
            except OSError as error:
                reason = error.strerror or error
                named = setting if error.errno in PORT_ERRORS else "GATEWAY_HOST"
                server.log.error("cannot listen on %s (%s): set %s", host_port(_host, port), reason, named)
                _metrics_dir.leave()
                sys.exit(1)
    finally:
        for listener in taken:
            listener.close()
    try:
        _metrics_dir.empty()  # not before: another gateway that has the ports may have this folder, too
    except OSError as error:
        server.log.error("%s: set GATEWAY_METRICS_DIR", error)
        sys.exit(1)
    from preprocess_gateway.process.runtime import warm_up

    warm_up()


def pre_fork(_server: Arbiter, worker: Worker) -> None:
    """Give the worker its row of what all workers count together."""
    worker.row = ledger.claim()


def post_fork(_server: Arbiter, worker: Worker) -> None:
    """Count in that row from now on."""
    ledger.row = worker.row


def post_worker_init(worker: Worker) -> None:
    """Serve probes, and drain on SIGTERM: gunicorn's exit waits `drain_s` until endpoints forget the pod."""
    from preprocess_gateway.process.runtime import EXTENSION

    exit_gracefully = worker.handle_exit
    runtime = worker.wsgi.extensions[EXTENSION]
    worker.reading = runtime.reading
    worker.readiness = runtime.readiness
    worker.root = _settings.base_path

    def drain(signum: int, frame: FrameType | None) -> None:
        runtime.drain()
        worker.drain()
        threading.Timer(_settings.drain_s, exit_gracefully, (signum, frame)).start()

    signal.signal(signal.SIGTERM, drain)
    if worker.alive:  # a SIGTERM that came before ends it at once, and would reset the connections of probes
        runtime.probes.start()


def worker_exit(_server: Arbiter, worker: Worker) -> None:
    """Close the channel and the probes when the last request is answered."""
    from preprocess_gateway.process.runtime import EXTENSION

    if app := getattr(worker, "wsgi", None):  # none if the worker never got that far
        app.extensions[EXTENSION].close()


def child_exit(_server: Arbiter, worker: Worker) -> None:
    """Forget the gauges of a worker that is gone, and give back what it had taken."""
    from prometheus_client import multiprocess

    ledger.release(worker.row)
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(_server: Arbiter) -> None:
    """Leave no file behind."""
    with suppress(OSError):
        _metrics_dir.empty()
    _metrics_dir.leave()
