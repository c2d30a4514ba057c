"""gunicorn's configuration, from the gateway's own settings.

`gunicorn -c python:preprocess_gateway.gunicorn_conf 'preprocess_gateway.app:create_app()'`
"""

from __future__ import annotations

import signal
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
preload_app = False  # a gRPC channel must not cross a fork


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
    worker.wsgi.extensions[EXTENSION].close()
