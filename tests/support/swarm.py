"""Many clients in a process of their own: a load that costs little beside what it measures.

As `load.run_load`, on raw sockets in one thread: many threads would measure their own waits for a core. A client keeps
its connection and sends its next request when the last is answered; after a 503 it first waits as long as Retry-After
asks and up to a quarter longer, as the service's own client does, or `pause_s` if that is given.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from tests.support.load import Record, Report

LAG_EVERY_S = 0.01


@dataclass(frozen=True)
class Plan:
    """What the clients do; what they begin in the first `warm_s` is not counted."""

    url: str
    clients: int
    seconds: float
    warm_s: float = 2.0
    pause_s: float | None = None


@dataclass
class SwarmReport(Report):
    """What the clients saw; `lag_p99_s` is how late they were themselves (99th percentile)."""

    lag_p99_s: float = 0.0


def run_swarm(plan: Plan, data: bytes, cores: set[int] | None = None) -> SwarmReport:
    """Post `data` as a raw body by many clients, in a process that is kept to `cores`."""
    pin = None if cores is None else lambda: os.sched_setaffinity(0, cores)
    with tempfile.NamedTemporaryFile() as clip:
        clip.write(data)
        clip.flush()
        command = [sys.executable, "-m", "tests.support.swarm", clip.name, json.dumps(asdict(plan))]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=root, preexec_fn=pin)
    said = json.loads(done.stdout)
    return SwarmReport([Record(*each) for each in said["records"]], plan.seconds, lag_p99_s=said["lag_p99_s"])


class _Swarm:
    def __init__(self, plan: Plan, data: bytes) -> None:
        self._plan = plan
        self._where = urlsplit(plan.url)
        head = f"POST {self._where.path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/octet-stream\r\n"
        self._request = f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data
        self._begun = time.perf_counter() + plan.warm_s
        self._end = self._begun + plan.seconds
        self.records: list[Record] = []
        self.lags: list[float] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch())
            for _ in range(self._plan.clients):
                tasks.create_task(self._client())

    async def _watch(self) -> None:
        while (before := time.perf_counter()) < self._end:
            await asyncio.sleep(LAG_EVERY_S)
            self.lags.append(time.perf_counter() - before - LAG_EVERY_S)

    async def _client(self) -> None:
        while time.perf_counter() < self._end:
            reader, writer = await asyncio.open_connection(self._where.hostname, self._where.port)
            try:
                while time.perf_counter() < self._end:
                    await asyncio.sleep(await self._once(reader, writer))
            except (OSError, EOFError) as error:
                self._record(time.perf_counter(), 0, repr(error))
            finally:
                writer.close()

    async def _once(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        """One request; the seconds to rest after it."""
        started = time.perf_counter()
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        names = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        body = await reader.readexactly(int(names["content-length"]))
        status = int(head.split(" ", 2)[1])
        self._record(started, status, body.decode())
        if self._plan.pause_s is not None:
            return self._plan.pause_s
        return float(names["retry-after"]) * random.uniform(1.0, 1.25) if status == 503 else 0.0

    def _record(self, started: float, status: int, body: str) -> None:
        if started >= self._begun:
            self.records.append(Record(started - self._begun, time.perf_counter() - started, status, body))


def main() -> None:
    swarm = _Swarm(Plan(**json.loads(sys.argv[2])), Path(sys.argv[1]).read_bytes())
    gc.disable()  # it would stop all clients at once
    asyncio.run(swarm.run())
    records = [list(asdict(record).values()) for record in swarm.records]
    json.dump({"records": records, "lag_p99_s": float(np.percentile(swarm.lags, 99))}, sys.stdout)


if __name__ == "__main__":
    main()
