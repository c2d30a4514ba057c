"""The gateway under slow uploads and overload, raw bodies against forms, one worker against two.

`python -m benchmarks.service` starts the shipped model behind a real model server and real gateways, all of them
and the load on this machine, and writes the section "Service" of benchmarks/README.md. For alone and overload the
gateway is kept to one core, model server and clients (a process of their own, see `tests.support.swarm`) to the rest.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path

import requests

from benchmarks.report import write_section
from preprocess_gateway.settings import Settings
from ser.serve import ConfigMirror
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.load import Report, Send, SlowClients, post_file, post_raw, run_load
from tests.support.model_server import ModelServer
from tests.support.swarm import Plan, run_swarm

ROOT = Path(__file__).parents[1]
SLOW_CLIENTS = 200
OVERLOAD = 10
CONCURRENCY, QUEUE = (Settings.model_fields[name].default for name in ("concurrency", "queue"))
LONG_QUEUE = 4
CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, OTHER_CORES = set(CORES[:1]), set(CORES[1:] or CORES)
Row = dict[str, object]


@contextmanager
def model_server() -> Iterator[ModelServer]:
    with tempfile.TemporaryDirectory() as folder:
        config = ConfigMirror(ROOT / "models", Path(folder) / "models.config").target
        with ModelServer("--allow_version_labels_for_unavailable_models=true", config_file=config) as server:
            yield server


@contextmanager
def kept_to(cores: set[int]) -> Iterator[None]:
    """What is started meanwhile stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def load(send: Send, clients: int, seconds: float) -> Report:
    run_load(send, clients=clients, seconds=min(2.0, seconds / 5))  # connections made, caches warm
    return run_load(send, clients=clients, seconds=seconds)


def stage_seconds(gateway: Gateway) -> dict[str, float]:
    """Seconds that requests have spent in each stage since the gateway's start."""
    scrape = requests.get(f"{gateway.probes}/metrics", timeout=10).text
    found = re.findall(r'^speech_emotion_stage_duration_seconds_sum\{stage="(\w+)"\} (\S+)', scrape, re.MULTILINE)
    return {stage: float(value) for stage, value in found}


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
            one = load(raw, 4, seconds)
            yield row("one worker, four clients", one)
        with Gateway(server.address, workers=2) as gateway:
            two = load(post_raw(f"{gateway.url}/predict", clip), 4, seconds)
            yield row("two workers, four clients", two, **{"rate to one": two.counts[200] / one.counts[200]})


def overload(seconds: float) -> Iterator[Row]:
    """Ten times what one worker holds against one client, with the default queue and a longer one."""
    clip = clips.tone(3.0)
    rate: dict[int, float] = {}
    with kept_to(OTHER_CORES), model_server() as server:
        for queue in (QUEUE, LONG_QUEUE):
            with ExitStack() as running:
                with kept_to(GATEWAY_CORE):
                    gateway = running.enter_context(Gateway(server.address, queue=queue))
                url, clients = f"{gateway.url}/predict", OVERLOAD * (CONCURRENCY + queue)
                alone = run_swarm(Plan(url, 1, seconds), clip, OTHER_CORES)
                yield row(f"B: queue of {queue}, one core, one client", alone)
                before = stage_seconds(gateway)
                over = run_swarm(Plan(url, clients, seconds), clip, OTHER_CORES)
                spent = {stage: total - before[stage] for stage, total in stage_seconds(gateway).items()}
                rate[queue] = over.counts[200] / over.wall_s
                ratios = {
                    "p99 to B": over.latency_s(99) / alone.latency_s(99),
                    "waiting of all stages": spent["admission"] / sum(spent.values()),
                    f"rate to queue of {QUEUE}": rate[queue] / rate[QUEUE],
                }
                yield row(f"queue of {queue}, one core, {clients} clients, as Retry-After asks", over, **ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each load")
    parser.add_argument("--dry", action="store_true", help="print only")
    options = parser.parse_args()
    rows = []
    for each in chain(measure(options.seconds), overload(options.seconds)):
        print(each, flush=True)
        rows.append(each)
    if not options.dry:
        write_section("Service", "python -m benchmarks.service", rows)


if __name__ == "__main__":
    main()
