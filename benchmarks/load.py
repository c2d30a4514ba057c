"""A closed-loop load from one process of its own, which is cheap and says how much CPU it took itself.

`loader()` starts the process; `python -m benchmarks.load` is that process, which reads plans line by line. Each client
keeps its connection and sends its next clip when the last is answered. After 503 a patient client waits as long as
Retry-After asks, and up to a quarter longer, as the service's own client does; an impatient one asks again at once. A
latency is the time from the first request for a clip to its answer, with all refusals between. The window begins after
`warm_s`; what is answered within it counts. After it, clients wait for the answers that are on their way. Otherwise
these requests would still hold places of the service when the next window begins, and all of its clients could be
refused and wait.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from benchmarks.processes import cpu_s
from benchmarks.uploads import request_of

ROOT = Path(__file__).parents[1]
LAST_ANSWERS_S = 10.0
"""How long clients wait for answers after the window."""
SLOW = 4.0
"""A window lasts up to this many times its seconds, until there is an answer for each client on average."""


@dataclass(frozen=True)
class Plan:
    """What the clients do, in equal numbers on each of `ports`.

    `tags` are of the processes whose CPU time is counted (benchmarks.processes).
    """

    ports: list[int]
    path: str
    body: str
    clips: list[str]
    clients: int
    seconds: float
    warm_s: float = 0.25
    patient: bool = True
    tags: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """What a window saw; times in seconds."""

    seconds: float
    latencies_s: list[float]
    refused: int
    """Answers with 503 and Retry-After."""
    errors: dict[str, int]
    """Other answers and broken connections, by status or exception."""
    cpu_s: dict[str, float]
    """CPU time of each tag."""
    client_cpu_s: float
    answer: str
    """The body of one answer."""

    @property
    def answers(self) -> int:
        """How many clips were answered."""
        return len(self.latencies_s)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    def percentile_ms(self, percent: float) -> float:
        """A percentile of the latencies; NaN without answers."""
        ordered = sorted(self.latencies_s)
        last = len(ordered) - 1
        return 1000 * ordered[min(last, round(percent / 100 * last))] if ordered else float("nan")

    def cpu_ms(self, *tags: str) -> float:
        """CPU time for an answer of these tags' processes, or of all; NaN without answers."""
        total = sum(self.cpu_s[tag] for tag in tags or self.cpu_s)
        return 1000 * total / self.answers if self.answers else float("nan")


Run = Callable[[Plan], Report]


@contextmanager
def loader() -> Iterator[Run]:
    """What runs plans, one after the other, in a process of its own that is ready for the next one."""
    command = [sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:

        def run(plan: Plan) -> Report:
            assert process.stdin
            assert process.stdout
            process.stdin.write(json.dumps(asdict(plan)) + "\n")
            process.stdin.flush()
            if not (line := process.stdout.readline()):
                raise RuntimeError("the load's process has ended")
            return Report(**json.loads(line))

        yield run


@lru_cache(maxsize=8)
def _requests(path: str, body: str, clips: tuple[str, ...]) -> list[bytes]:
    return [request_of(path, body, Path(clip).read_bytes()) for clip in clips]


class _Clients:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._requests = _requests(plan.path, plan.body, tuple(plan.clips))
        self._ended = asyncio.Event()
        self._counting = False
        self._latencies: list[float] = []
        self._refused = 0
        self._errors: Counter[str] = Counter()
        self._answer = ""

    async def run(self) -> Report:
        tasks = [asyncio.create_task(self._client(number)) for number in range(self._plan.clients)]
        await asyncio.sleep(self._plan.warm_s)
        before, own, begun = self._cpu(), time.process_time(), time.perf_counter()
        self._counting = True
        await self._window(begun)
        self._counting = False
        seconds, own, after = time.perf_counter() - begun, time.process_time() - own, self._cpu()
        self._ended.set()
        await asyncio.wait(tasks, timeout=LAST_ANSWERS_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        spent = {tag: after[tag] - before[tag] for tag in after}
        return Report(seconds, self._latencies, self._refused, dict(self._errors), spent, own, self._answer)

    async def _window(self, begun: float) -> None:
        least, most = self._plan.seconds, self._plan.seconds * SLOW
        while (passed := time.perf_counter() - begun) < most:
            if passed >= least and len(self._latencies) >= self._plan.clients:
                return
            await asyncio.sleep(min(0.05, max(0.001, least - passed)) if passed < least else 0.02)

    def _cpu(self) -> dict[str, float]:
        return {tag: cpu_s(tag) for tag in self._plan.tags}

    async def _client(self, number: int) -> None:
        began, port = time.perf_counter(), self._plan.ports[number % len(self._plan.ports)]
        while not self._ended.is_set():
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
                kept = True
                while kept and not self._ended.is_set():
                    writer.write(self._requests[number % len(self._requests)])
                    status, headers, body = await response(reader)
                    kept = headers.get("connection", "").lower() != "close"
                    if status == 503 and "retry-after" in headers:
                        self._refused += self._counting
                        if self._plan.patient:
                            await self._rest(float(headers["retry-after"]) * random.uniform(1.0, 1.25))
                        continue
                    self._note(status, time.perf_counter() - began, body)
                    number, began = number + 1, time.perf_counter()
            except (OSError, EOFError) as error:
                self._note(type(error).__name__, 0.0, b"")
                await asyncio.sleep(0.01)
            finally:
                if writer:
                    writer.close()

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)

    def _note(self, status: int | str, latency_s: float, body: bytes) -> None:
        if not self._counting:
            return
        if status == 200:
            self._latencies.append(latency_s)
            self._answer = body.decode()
        else:
            self._errors[str(status)] += 1


async def response(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers by lower-case name and body of an HTTP/1.1 response."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    status = int(head[0].split(" ", 2)[1])
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return status, headers, await reader.readexactly(int(headers.get("content-length", 0)))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return status, headers, body


def main() -> None:
    gc.disable()  # it would stop all clients at once
    for line in sys.stdin:
        clients = _Clients(Plan(**json.loads(line)))
        print(json.dumps(asdict(asyncio.run(clients.run()))), flush=True)
        gc.collect()


if __name__ == "__main__":
    main()
