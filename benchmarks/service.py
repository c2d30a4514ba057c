"""The gateway beside slow uploads, raw bodies against forms, one worker against two.

`python -m benchmarks.service` starts the shipped model behind a real model server and real gateways, all of them
and the load on this machine, and writes the section "Service" of benchmarks/README.md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.report import measure_loads
from preprocess_gateway.settings import Settings
from ser.serve import ConfigMirror
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.load import Report, Send, SlowClients, post_file, post_raw, run_load
from tests.support.model_server import ModelServer

ROOT = Path(__file__).parents[1]
SLOW_CLIENTS = 200
CONCURRENCY, QUEUE = (Settings.model_fields[name].default for name in ("concurrency", "queue"))
HELD = CONCURRENCY + QUEUE  # by one worker: one client more, and it turns one away
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


def measure(seconds: float) -> Iterator[Row]:
    """One row a case; ratios are to the row named."""
    clip, long_clip = clips.tone(3.0), clips.tone(55.0)
    with model_server() as server:
        with Gateway(server.address) as gateway:
            url = f"{gateway.url}/predict"
            raw = post_raw(url, clip)
            alone = load(raw, 1, seconds)
            yield row("A: one client, 3 s clips, raw", alone)
            with SlowClients(gateway.port, SLOW_CLIENTS) as slow:
                slowed = load(raw, 1, seconds)
                name = f"A beside {SLOW_CLIENTS} clients of one byte a second"
                yield row(name, slowed, **{"p50 to A": slowed.latency_s(50) / alone.latency_s(50)})
                if slow.reopened:
                    print(f"{slow.reopened} slow connections were cut off and opened anew")
            for label, data in (("3 s", clip), ("55 s", long_clip)):
                form, body = load(post_file(url, data), 1, seconds / 2), load(post_raw(url, data), 1, seconds / 2)
                yield row(f"form, {label} clips", form)
                yield row(f"raw, {label} clips", body, **{"p50 to form": body.latency_s(50) / form.latency_s(50)})
            one = load(raw, HELD, seconds)
            yield row(f"one worker, {HELD} clients", one)
        with Gateway(server.address, workers=2) as gateway:
            two = load(post_raw(f"{gateway.url}/predict", clip), HELD, seconds)
            yield row(f"two workers, {HELD} clients", two, **{"rate to one": two.counts[200] / one.counts[200]})


if __name__ == "__main__":
    measure_loads("Service", "benchmarks.service", measure)
