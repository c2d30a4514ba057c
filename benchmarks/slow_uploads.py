"""A client beside slow uploads: what 200 connections of one byte a second cost the others.

`python -m benchmarks.slow_uploads` starts the shipped model behind a real model server and a real gateway, all of them
and the load on this machine, and writes the section "Slow uploads" of benchmarks/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.report import measure_loads
from benchmarks.shipped import Row, load, model_server, row
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.load import SlowClients, post_raw

SLOW_CLIENTS = 200


def measure(seconds: float) -> Iterator[Row]:
    """One row a case; the ratio is to the first."""
    with model_server() as server, Gateway(server.address) as gateway:
        raw = post_raw(f"{gateway.url}/predict", clips.tone(3.0))
        alone = load(raw, 1, seconds)
        yield row("A: one client, 3 s clips, raw", alone)
        with SlowClients(gateway.port, SLOW_CLIENTS) as slow:
            slowed = load(raw, 1, seconds)
            name = f"A beside {SLOW_CLIENTS} clients of one byte a second"
            yield row(name, slowed, **{"p50 to A": slowed.latency_s(50) / alone.latency_s(50)})
            if slow.reopened:
                print(f"{slow.reopened} slow connections were cut off and opened anew")


if __name__ == "__main__":
    measure_loads("Slow uploads", "benchmarks.slow_uploads", measure)
