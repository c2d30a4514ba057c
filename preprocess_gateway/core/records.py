"""What an answer adds to the metrics."""

from __future__ import annotations

from preprocess_gateway.core.answer import Answer
from preprocess_gateway.telemetry.metrics import Metrics


def record(answer: Answer, metrics: Metrics) -> None:
    """Count an answer."""
    metrics.audio_seconds.inc(answer.audio.duration_s)
    for code in answer.warnings:
        metrics.quality_warnings.labels(code).inc()
    name, label, version = answer.model.name, answer.model.label, str(answer.model.version)
    if answer.emotion is None or answer.confidence is None:
        metrics.no_speech.labels(name, label, version).inc()
    else:
        metrics.predictions.labels(answer.emotion, name, label, version).inc()
        metrics.confidence.labels(name, label).observe(answer.confidence)
