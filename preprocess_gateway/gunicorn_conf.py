"""gunicorn's configuration, from the gateway's own settings.

`gunicorn -c python:preprocess_gateway.gunicorn_conf 'preprocess_gateway.app:create_app()'`
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from types import FrameType

from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

from preprocess_gateway.app import EXTENSION
from preprocess_gateway.settings import Settings

_settings = Settings()
bind = f"{_settings.host}:{_settings.port}"
# One worker: metrics and probes live in it; librosa and gRPC release the GIL, replicas bring scale.
workers = 1
worker_class = "gthread"
threads = _settings.threads
graceful_timeout = _settings.grace_s + int(_settings.drain_s) + 1
timeout = 60
# Longer than proxies keep idle connections (Go, Traefik: 90 s): who closes first loses the request that crosses it.
keepalive = 120
preload_app = False  # a gRPC channel must not cross a fork
control_socket_disable = True  # it would lie in the home folder, one for all gateways of a user


def on_starting(server: Arbiter) -> None:
    """Say which setting names a port that cannot be had, before gunicorn retries and a worker dies of it."""
    ports = (("GATEWAY_PORT", _settings.port), ("GATEWAY_PROBE_PORT", _settings.probe_port))
    taken: list[socket.socket] = []
    try:
        for setting, port in ports:
            try:
                taken.append(socket.create_server((_settings.host, port)))
            except OSError as error:
                reason = error.strerror or error
                server.log.error("cannot listen on %s:%d (%s): set %s", _settings.host, port, reason, setting)
                sys.exit(1)
    finally:
        for listener in taken:
            listener.close()


def post_worker_init(worker: Worker) -> None:
    """On SIGTERM: readiness goes false, endpoints get `drain_s` to forget this pod, then gunicorn's own exit."""
    exit_gracefully = worker.handle_exit
    probes = worker.wsgi.extensions[EXTENSION]

    def drain(signum: int, frame: FrameType | None) -> None:
        probes.draining = True
        threading.Timer(_settings.drain_s, exit_gracefully, (signum, frame)).start()

    signal.signal(signal.SIGTERM, drain)


def worker_exit(_server: Arbiter, worker: Worker) -> None:
    """Close the channel and the probes when the last request is answered."""
    if app := getattr(worker, "wsgi", None):  # none if the worker never got that far
        app.extensions[EXTENSION].close()
