"""The gateway as a worker runs it: its application, the threads beside the requests, and how they end."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from flask import Flask

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.http.read_deadlines import ReadDeadlines
from preprocess_gateway.process.probes import ProbeServer
from preprocess_gateway.process.readiness import Readiness
from preprocess_gateway.quotas import Ledger
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.features import SEED_SPEC, WHISPER_SPEC, extract
from speech_emotion.listening import listening_host

EXTENSION: Final = "speech_emotion_gateway"


@dataclass(frozen=True)
class Runtime:
    """The threads of a worker."""

    predictor: Predictor
    readiness: Readiness
    probes: ProbeServer
    reading: ReadDeadlines
    drains_s: float
    """Seconds between the beginning of a drain and the end of the last request."""

    @classmethod
    def start(cls, settings: Settings, metrics: Metrics, ledger: Ledger) -> Self:
        """Connect to the model server and watch read deadlines; call after the fork. Probes are started last."""
        predictor = Predictor.connect(settings, metrics)
        readiness = Readiness(ledger, predictor.models)
        probes = ProbeServer(listening_host(settings.host), settings.probe_port, readiness, metrics, settings.base_path)
        reading = ReadDeadlines(settings.read_timeout_s)
        reading.start()
        return cls(predictor, readiness, probes, reading, settings.drain_s + settings.grace_s)

    def drain(self) -> None:
        """The worker is no longer ready; requests are still answered, long ones until shortly before it ends."""
        self.probes.draining = True
        self.readiness.leave()
        self.predictor.draining.begin(self.drains_s)

    def close(self) -> None:
        """End every thread and the channel."""
        self.probes.close()
        self.reading.close()
        self.predictor.close()


def warm_up() -> None:
    """Make what workers share, before the fork: this module's imports, and what the shipped features cache.

    No thread and no channel is made here: neither would survive the fork.
    """
    for spec in (SEED_SPEC, WHISPER_SPEC):
        extract(np.zeros(spec.sample_rate, np.float32), spec)
    gc.collect()
    gc.freeze()  # a collection in a worker would write to what is shared


def serve() -> Flask:
    """gunicorn's application: `app.extensions[EXTENSION]` is the Runtime that must be closed."""
    from preprocess_gateway.process.gunicorn_conf import ledger  # gunicorn has read it before

    settings, metrics = Settings(), Metrics()
    runtime = Runtime.start(settings, metrics, ledger)
    app = create_app(settings, runtime.predictor, metrics, runtime.reading, ledger)
    app.extensions[EXTENSION] = runtime
    return app
