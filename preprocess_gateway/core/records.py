"""What an answer adds to the metrics."""

from __future__ import annotations

from preprocess_gateway.core.answer import Answer, Model, WholeVerdict
from preprocess_gateway.core.summary import RecordingAnswer
from preprocess_gateway.telemetry.metrics import Metrics


def record(answer: Answer | RecordingAnswer, metrics: Metrics) -> None:
    """Count an answer: its emotion, or that of each channel."""
    metrics.audio_seconds.inc(answer.audio.duration_s)
    for code in answer.warnings:
        metrics.quality_warnings.labels(code).inc()
    for heard in answer.channels or (answer,):
        _record_heard(heard, answer.model, metrics)


def _record_heard(heard: WholeVerdict, model: Model, metrics: Metrics) -> None:
    name, label, version = model.name, model.label, str(model.version)
    if heard.emotion is None or heard.confidence is None:
        metrics.no_speech.labels(name, label, version).inc()
    else:
        metrics.predictions.labels(heard.emotion, name, label, version).inc()
        metrics.confidence.labels(name, label).observe(heard.confidence)
