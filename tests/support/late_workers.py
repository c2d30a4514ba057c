"""gunicorn's configuration with a fault: workers that learn nothing of the models until they may.

LATE_WORKERS names them by their age, which counts from 1 in the order of their start: `2,3`. While the file LATE_UNTIL
is absent, the model server cannot be reached from them. With LATE_S they notice it after so many seconds only.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from gunicorn.arbiter import Arbiter

from preprocess_gateway.backend.client import PredictClient
from preprocess_gateway.errors import ModelUnavailableError
from preprocess_gateway.process import gunicorn_conf
from preprocess_gateway.process.gunicorn_conf import *  # noqa: F403
from preprocess_gateway.process.worker import Worker
from speech_emotion.contract import Description

_describe = PredictClient.describe


def post_fork(server: Arbiter, worker: Worker) -> None:  # type: ignore[no-redef]
    """Make a late worker late."""
    gunicorn_conf.post_fork(server, worker)
    if str(worker.age) in os.environ["LATE_WORKERS"].split(","):
        PredictClient.describe = _late  # type: ignore[method-assign, assignment]


def _late(client: PredictClient, label: str, timeout_s: float) -> tuple[int, Description]:
    if Path(os.environ["LATE_UNTIL"]).exists():
        return _describe(client, label, timeout_s)
    time.sleep(float(os.environ.get("LATE_S", "0")))
    raise ModelUnavailableError("a fault that was injected")
