"""Counters and durations under the real server's names, and the page that Prometheus reads.

The real names are not what prometheus_client writes: a counter has no `_total`, and names begin with a colon.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram

from model_server.errors import Code, ServingError
from model_server.text_files import MONITORING_CONFIG, read_text

DEFAULT_PATH = "/monitoring/prometheus/metrics"
_PREFIX = ":tensorflow:serving:"
REGISTRY = CollectorRegistry()


def _exponential(scale: float, growth: float, count: int) -> list[float]:
    """Bounds as the real server writes them, with six digits."""
    return [float(f"{scale * growth**power:.6g}") for power in range(count)]


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(_PREFIX + name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: list[float], *labels: str) -> Histogram:
    return Histogram(_PREFIX + name, text, labels, buckets=buckets, registry=REGISTRY)


_MICROSECONDS = _exponential(10, 1.8, 33)
_SIZES = _exponential(1, 2, 14)
_REQUESTS = _counter("request_count", "Requests", "model_name", "status")
_LATENCY = _histogram(
    "request_latency", "Microseconds that an answer took", _MICROSECONDS, "model_name", "API", "entrypoint"
)
_RUNTIME = _histogram(
    "runtime_latency", "Microseconds that TensorFlow took", _MICROSECONDS, "model_name", "API", "runtime"
)
WARMUP_RECORDS = _counter("model_warmup_records_read", "Warm-up records read", "model_path", "status")
WARMUP_LATENCY = _histogram(
    "model_warmup_latency", "Microseconds that a warm-up took", _MICROSECONDS, "model_path", "status"
)
INPUT_BATCH_SIZE = _histogram("batching_session:input_batch_size", "Rows of an input", _SIZES)
PROCESSED_BATCH_SIZE = _histogram("batching_session:processed_batch_size", "Rows of a batch", _SIZES)
PADDING_SIZE = _histogram("batching_session:padding_size", "Rows that fill a batch up", _SIZES, "execution_batch_size")
QUEUING_LATENCY = _histogram(
    "batching_session:queuing_latency",
    "Microseconds that a request waited for its batch",
    _exponential(100, 1.2, 52),
    "thread_pool_name",
)
BATCHES_RUN = _counter("batching_session:wrapped_run_count", "Batches run")


@dataclass
class Request:
    """What is known of a request under way: its model, and the method as its protocol calls it."""

    model: str = ""
    api: str = ""


@contextmanager
def request(entrypoint: str, model: str = "", api: str = "") -> Iterator[Request]:
    """Count the request that the block answers, and its duration if it succeeds."""
    found, start = Request(model, api), time.monotonic()
    code = Code.INTERNAL
    try:
        yield found
        code = Code.OK
        _LATENCY.labels(found.model, found.api, entrypoint).observe(microseconds_since(start))
    except ServingError as error:
        code = error.code
        raise
    finally:
        _REQUESTS.labels(found.model, code.name).inc()


def run_took(model: str, start: float) -> None:
    """Record a run of the model's graph that began at the monotonic time `start`."""
    _RUNTIME.labels(model, "Predict", "TF1").observe(microseconds_since(start))


def microseconds_since(start: float) -> int:
    """Whole microseconds since the monotonic time `start`."""
    return round((time.monotonic() - start) * 1e6)


def prometheus_path(file: Path) -> str:
    """The path at which the MonitoringConfig in `file` wants the page, or an empty string. Raises ServingError."""
    config = read_text(file, MONITORING_CONFIG).prometheus_config
    return (config.path or DEFAULT_PATH) if config.enable else ""


def page() -> str:
    """Every series in Prometheus' text format."""
    lines = []
    for metric in REGISTRY.collect():
        lines.append(f"# TYPE {metric.name} {metric.type}")
        for sample in metric.samples:
            if sample.name.endswith("_created"):
                continue
            name = sample.name.removesuffix("_total")
            # Bounds of buckets as there: "10" and not "10.0".
            labels = ",".join(
                f'{label}="{_escape(text).removesuffix(".0") if label == "le" else _escape(text)}"'
                for label, text in sample.labels.items()
            )
            lines.append(f"{name}{{{labels}}} {sample.value:.0f}")
    return "\n".join(lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
