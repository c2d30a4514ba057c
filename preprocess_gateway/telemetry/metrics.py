"""All metrics of the gateway, in a registry of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from preprocess_gateway.errors import ShedReason

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
CLOSE_CODES = ("1000", "1001", "1005", "1006", "1008", "1012", "1013")
"""Those that streams end with every day; others are seen when they are met."""
STAGES = ("read", "admission", "decode", "features", "serving")


def multiprocess_dir() -> str | None:
    """Folder through which the workers of a gunicorn share their figures; none outside of one."""
    return os.environ.get("PROMETHEUS_MULTIPROC_DIR")


class Metrics:
    """Counters and histograms, passed to whoever records."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "speech_emotion_requests", "Requests answered.", ["route", "status"], registry=self.registry
        )
        self.request_duration = Histogram(
            "speech_emotion_request_duration_seconds",
            "Seconds to answer a request.",
            ["route"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.stage_duration = Histogram(
            "speech_emotion_stage_duration_seconds",
            "Seconds in a stage of a prediction.",
            ["stage"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.in_progress = Gauge(
            "speech_emotion_requests_in_progress",
            "Requests being answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.shed = Counter(
            "speech_emotion_shed_requests",
            "Requests refused for lack of capacity.",
            ["reason", "route"],
            registry=self.registry,
        )
        self.decoder_restarts = Counter(
            "speech_emotion_decoder_restarts", "Decoder processes that had to be replaced.", registry=self.registry
        )
        self.retries = Counter(
            "speech_emotion_retries", "Calls to the model server that were made again.", registry=self.registry
        )
        self.canary_fallbacks = Counter(
            "speech_emotion_canary_fallbacks", "Canary requests answered by stable.", ["model"], registry=self.registry
        )
        self.version_broken = Gauge(
            "speech_emotion_version_broken",
            "1 for a version that a model server could not load.",
            ["model", "version"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self.shadow_comparisons = Counter(
            "speech_emotion_shadow_comparisons",
            "Clips heard by both labels.",
            ["model", "outcome"],
            registry=self.registry,
        )
        self.observations = Counter(
            "speech_emotion_observations",
            "Answered clips for observers.",
            ["observer", "outcome"],
            registry=self.registry,
        )
        self.audio_seconds = Counter(
            "speech_emotion_audio_seconds", "Seconds of audio answered.", registry=self.registry
        )
        self.predictions = Counter(
            "speech_emotion_predictions",
            "Predictions made.",
            ["emotion", "model", "label", "version"],
            registry=self.registry,
        )
        self.no_speech = Counter(
            "speech_emotion_no_speech", "Clips without speech.", ["model", "label", "version"], registry=self.registry
        )
        self.quality_warnings = Counter(
            "speech_emotion_quality_warnings", "Warnings about recordings.", ["code"], registry=self.registry
        )
        self.confidence = Histogram(
            "speech_emotion_confidence_ratio",
            "Probability of the emotion answered.",
            ["model", "label"],
            buckets=[n / 10 for n in range(1, 11)],
            registry=self.registry,
        )
        self.streams_open = Gauge(
            "speech_emotion_streams_open", "Live streams.", registry=self.registry, multiprocess_mode="livesum"
        )
        self.stream_lag = Histogram(
            "speech_emotion_stream_lag_seconds",
            "Seconds from the end of a window to its answer.",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.stream_windows_late = Counter(
            "speech_emotion_stream_windows_late",
            "Windows of live streams answered more than a second after their end.",
            registry=self.registry,
        )
        self.stream_closes = Counter(
            "speech_emotion_stream_closes", "Live streams that ended.", ["code"], registry=self.registry
        )
        for code in CLOSE_CODES:
            self.stream_closes.labels(code)
        self.recordings_in_progress = Gauge(
            "speech_emotion_recordings_in_progress",
            "Long recordings being read, heard and answered.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self.recordings = Counter(
            "speech_emotion_recordings",
            "Long recordings that ended, by how: `answered`, `client_gone` or the code of the problem.",
            ["outcome"],
            registry=self.registry,
        )
        self.recording_audio_seconds = Counter(
            "speech_emotion_recording_audio_seconds", "Seconds heard of long recordings.", registry=self.registry
        )
        self.recording_windows = Counter(
            "speech_emotion_recording_windows", "Windows of long recordings answered.", registry=self.registry
        )
        for outcome in ("answered", "client_gone"):
            self.recordings.labels(outcome)
        self._stages = {stage: self.stage_duration.labels(stage) for stage in STAGES}
        for reason in get_args(ShedReason):
            self.shed.labels(reason, "/predict")

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format; of all workers, where they share their figures."""
        if multiprocess_dir() is None:
            return generate_latest(self.registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        return generate_latest(shared)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        begun = perf_counter()
        try:
            yield
        finally:
            self._stages[name].observe(perf_counter() - begun)
