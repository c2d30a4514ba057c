"""All metrics of the gateway, in a registry of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from preprocess_gateway.answer import Answer

LATENCY_BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
STAGES = ("read", "decode", "features", "serving")


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
            "speech_emotion_requests_in_progress", "Requests being answered.", registry=self.registry
        )
        self.audio_seconds = Counter(
            "speech_emotion_audio_seconds", "Seconds of audio answered.", registry=self.registry
        )
        self.predictions = Counter(
            "speech_emotion_predictions", "Predictions made.", ["emotion", "label", "version"], registry=self.registry
        )
        self.no_speech = Counter(
            "speech_emotion_no_speech", "Clips without speech.", ["label", "version"], registry=self.registry
        )
        self.quality_warnings = Counter(
            "speech_emotion_quality_warnings", "Warnings about recordings.", ["code"], registry=self.registry
        )
        self.confidence = Histogram(
            "speech_emotion_confidence_ratio",
            "Probability of the emotion answered.",
            buckets=[n / 10 for n in range(1, 11)],
            registry=self.registry,
        )
        for stage in STAGES:
            self.stage_duration.labels(stage)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        begun = perf_counter()
        try:
            yield
        finally:
            self.stage_duration.labels(name).observe(perf_counter() - begun)

    def record(self, answer: Answer) -> None:
        """Count a prediction."""
        self.audio_seconds.inc(answer.audio.duration_s)
        for code in answer.warnings:
            self.quality_warnings.labels(code).inc()
        model = (answer.model.label, str(answer.model.version))
        if answer.emotion is None or answer.confidence is None:
            self.no_speech.labels(*model).inc()
        else:
            self.predictions.labels(answer.emotion, *model).inc()
            self.confidence.observe(answer.confidence)
