"""gunicorn's configuration with a fault: workers that learn nothing of the models until they may.

LATE_WORKERS names them by their age, which counts from 1 in the order of their start: `2,3`. While the file LATE_UNTIL
is absent, the model server cannot be reached from them. With LATE_S they notice it after so many seconds only. With
LATE_SIGNALS, they get a SIGTERM when all is loaded, before they handle one, and write what happened to that file.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from gunicorn.arbiter import Arbiter

from preprocess_gateway.backend.client import PredictClient
from preprocess_gateway.errors import ModelUnavailableError
from preprocess_gateway.process import gunicorn_conf
from preprocess_gateway.process.gunicorn_conf import *  # noqa: F403
from preprocess_gateway.process.worker import Worker
from preprocess_gateway.settings import Settings
from speech_emotion.contract import Description
from tests.support.ports import listeners

_describe = PredictClient.describe


def post_fork(server: Arbiter, worker: Worker) -> None:  # type: ignore[no-redef]
    """Make a late worker late."""
    gunicorn_conf.post_fork(server, worker)
    if str(worker.age) in os.environ["LATE_WORKERS"].split(","):
        PredictClient.describe = _late  # type: ignore[method-assign, assignment]


def post_worker_init(worker: Worker) -> None:  # type: ignore[no-redef]
    """Let a SIGTERM come before the worker drains on one."""
    if found := os.environ.get("LATE_SIGNALS"):
        port = Settings().probe_port
        listening = [listeners(port, os.getpid())]
        os.kill(os.getpid(), signal.SIGTERM)
        gunicorn_conf.post_worker_init(worker)
        Path(found).write_text(f"{[*listening, listeners(port, os.getpid())]} {worker.alive}")
    else:
        gunicorn_conf.post_worker_init(worker)


def _late(client: PredictClient, label: str, timeout_s: float) -> tuple[int, Description]:
    if Path(os.environ["LATE_UNTIL"]).exists():
        return _describe(client, label, timeout_s)
    time.sleep(float(os.environ.get("LATE_S", "0")))
    raise ModelUnavailableError("a fault that was injected")
