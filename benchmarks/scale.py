"""From one worker and one replica to several on this machine, and on paper: `python -m benchmarks scale`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

from benchmarks import uploads
from benchmarks.comparison import PRICE
from benchmarks.load import Plan, Report, loader
from benchmarks.results import Row, Section, Spread
from benchmarks.services import ours, running
from benchmarks.suite import Options

CLIENTS, SECONDS, SLICES = 8, 2.0, 3
WARM_S = 1.5
BUSY = 0.6
HOURS_A_MONTH = 730
SIZES = ((1, 0.25, 0.25, 2), (100, 1.0, 2.0, 4), (10_000, 1.0, 8.0, 32))
"""Requests a second, cores of a gateway, of a model server and of a node."""
MANY = 20
"""From so many pods on a tenth of them is spare, below one."""


def measure(options: Options) -> list[Section]:
    """What workers and replicas bring here, and what each size costs by these figures."""
    rows: list[Row] = []
    costs: dict[str, tuple[float, float]] = {}
    for model in ("ann", "large"):
        first: float | None = None
        for workers, replicas in _shapes():
            reports = _reports(model, workers, replicas, options.effort)
            rate = median(report.rate for report in reports)
            first = first or rate
            gateway, server = (median(report.cpu_ms(tag) for report in reports) for tag in ("gateway", "model-server"))
            costs.setdefault(model, (gateway, server))
            rows.append(
                {
                    "model": model,
                    "workers of a gateway": workers,
                    "replicas": replicas,
                    "answers/s": Spread.of(report.rate for report in reports),
                    "to the first": rate / first,
                    "gateway, CPU ms": gateway,
                    "model server, CPU ms": server,
                    "p50 ms": median(report.percentile_ms(50) for report in reports),
                    "p99 ms": median(report.percentile_ms(99) for report in reports),
                }
            )
    about = (
        f"{CLIENTS} patient clients post forms to {ours()[-1].name}. A replica is a gateway with a model server of "
        "its own; clients are spread over them. Workers and replicas share this machine's cores, so a ratio cannot "
        "exceed what the first shape leaves idle."
    )
    return [Section(title="Workers and replicas on this machine", about=about, rows=rows), on_paper(*costs["large"])]


def _shapes() -> Iterator[tuple[int, int]]:
    """Workers of a gateway, and replicas: 1, 2, 4 ... up to one for each core, and at least 2."""
    most = max(2, len(os.sched_getaffinity(0)))
    counts = [2**power for power in range(1, 1 + int(math.log2(most)))]
    yield 1, 1
    yield from ((count, 1) for count in counts)
    yield from ((1, count) for count in counts)


def _reports(model: str, workers: int, replicas: int, effort: float) -> list[Report]:
    service = replace(ours()[-1], settings={"workers": workers})
    with uploads.clips() as clips, loader() as run, ExitStack() as stack:
        clip = Path(clips[0]).read_bytes()
        ports = [stack.enter_context(running(service, model, clip)).port for _ in range(replicas)]
        upload, tags = service.form, list(service.tags)
        plan = Plan(ports, upload.path, upload.body, clips, CLIENTS, SECONDS * effort, tags=tags)
        run(replace(plan, warm_s=WARM_S * effort, seconds=0.1))
        return [run(plan) for _ in range(SLICES)]


def on_paper(gateway_ms: float, server_ms: float) -> Section:
    """Pods, cores and money for each size, from the CPU time of a clip in the gateway and in the model server."""
    rows: list[Row] = []
    for rate, gateway_cores, server_cores, node_cores in SIZES:
        gateways = _pods(rate * gateway_ms / 1000, gateway_cores)
        servers = _pods(rate * server_ms / 1000, server_cores)
        nodes = _spared(max(1, math.ceil((gateways * gateway_cores + servers * server_cores) / node_cores)), MANY // 2)
        nodes = max(2, nodes)
        month = nodes * node_cores * PRICE * HOURS_A_MONTH
        rows.append(
            {
                "requests a second": f"{rate:,}",
                "gateways": _of(gateways, gateway_cores),
                "model servers": _of(servers, server_cores),
                "cores in use": rate * (gateway_ms + server_ms) / 1000,
                "nodes": _of(nodes, node_cores),
                "USD a month": f"{month:,.0f}",
                "USD for a million answers": month / (rate * HOURS_A_MONTH * 3600) * 1e6,
            }
        )
    about = (
        f"The large model takes {gateway_ms:.1f} ms of CPU for a clip in the gateway and {server_ms:.1f} ms in the "
        f"model server. Pods are {BUSY:.0%} busy, a core-hour costs {PRICE} USD with its memory, a month has "
        f"{HOURS_A_MONTH} hours, and one pod of each kind (a tenth, if there are many) is spare."
    )
    return Section(title="On paper", about=about, rows=rows)


def _of(count: int, cores: float) -> str:
    return f"{count} of {cores:g} {'core' if cores == 1 else 'cores'}"


def _pods(busy_cores: float, cores: float) -> int:
    """Pods of so many cores, at most BUSY, with the spare ones."""
    needed = max(1, math.ceil(busy_cores / BUSY / cores))
    return _spared(needed, MANY) if needed >= MANY else needed + 1


def _spared(needed: int, many: int) -> int:
    return needed + math.ceil(needed / 10) if needed >= many else needed
