"""Ten times what one worker holds: what the accepted requests wait, with the default queue and a longer one.

`python -m benchmarks.overload` writes the section "Overload" of benchmarks/README.md. The gateway is kept to one core,
the shipped model's server and the clients (a process of their own, see `tests.support.swarm`) to the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import requests

from benchmarks.report import measure_loads
from benchmarks.shipped import CONCURRENCY, QUEUE, Row, model_server, row
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.swarm import Plan, run_swarm

OVERLOAD = 10
LONG_QUEUE = 4
CORES = sorted(os.sched_getaffinity(0))
GATEWAY_CORE, OTHER_CORES = set(CORES[:1]), set(CORES[1:] or CORES)


@contextmanager
def kept_to(cores: set[int]) -> Iterator[None]:
    """What is started meanwhile stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def stage_seconds(gateway: Gateway) -> dict[str, float]:
    """Seconds that requests have spent in each stage since the gateway's start."""
    scrape = requests.get(f"{gateway.probes}/metrics", timeout=10).text
    found = re.findall(r'^speech_emotion_stage_duration_seconds_sum\{stage="(\w+)"\} (\S+)', scrape, re.MULTILINE)
    return {stage: float(value) for stage, value in found}


def measure(seconds: float) -> Iterator[Row]:
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


if __name__ == "__main__":
    measure_loads("Overload", "benchmarks.overload", measure)
