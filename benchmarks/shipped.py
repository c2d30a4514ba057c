"""What the single benchmarks share: the shipped store behind a model server, a load, and a row of its results."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from preprocess_gateway.settings import Settings
from ser.serve import ConfigMirror
from tests.support.load import Report, Send, run_load
from tests.support.model_server import ModelServer

ROOT = Path(__file__).parents[1]
CONCURRENCY, QUEUE = (Settings.model_fields[name].default for name in ("concurrency", "queue"))
Row = dict[str, object]


@contextmanager
def model_server() -> Iterator[ModelServer]:
    with tempfile.TemporaryDirectory() as folder:
        config = ConfigMirror(ROOT / "models", Path(folder) / "models.config").target
        with ModelServer("--allow_version_labels_for_unavailable_models=true", config_file=config) as server:
            yield server


def load(send: Send, clients: int, seconds: float) -> Report:
    run_load(send, clients=clients, seconds=min(2.0, seconds / 5))  # connections made, caches warm
    return run_load(send, clients=clients, seconds=seconds)


def row(case: str, report: Report, **ratios: float) -> Row:
    ok = report.counts[200]
    return {
        "case": case,
        "200": ok,
        "503": report.counts[503],
        "other": len(report.records) - ok - report.counts[503],
        "200 per s": f"{ok / report.wall_s:.1f}",
        "p50 ms": f"{report.latency_s(50) * 1000:.0f}",
        "p99 ms": f"{report.latency_s(99) * 1000:.0f}",
        "503 p50 ms": f"{report.latency_s(50, 503) * 1000:.0f}" if report.counts[503] else "",
        "ratio": ", ".join(f"{name} {value:.2f}" for name, value in ratios.items()),
    }
