"""What a refusal costs: the gateway's CPU time for a form that it answers 503 because every place is taken.

The model server is stopped (SIGSTOP), so that one request takes the only place for as long as this is measured. Each
client has a connection of its own, as a refused one rests for a moment, and sends the whole form nevertheless.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks import uploads
from benchmarks.processes import cpu_s, members
from benchmarks.results import Goal, Row, Section, Spread
from benchmarks.services import Running, ours, running
from benchmarks.suite import Options

CLIENTS, TURNS, BATCH = 50, 30, 5
REST_S = 0.15
"""After which all clients are heard at once again."""


def measure(options: Options, clips: list[bytes]) -> Section:
    """The CPU time of a refusal, and its goal."""
    service = ours(workers=1, concurrency=1, queue=0, deadline_s=60)[-1]
    with running(service, "ann", clips[0]) as started, _full(started, clips[0]):
        request = uploads.request_of(service.form.path, service.form.body, clips[0])
        with ExitStack() as opened:
            address = ("127.0.0.1", started.port)
            clients = [opened.enter_context(socket.create_connection(address, timeout=60)) for _ in range(CLIENTS)]
            _turns(clients, request, 2)
            batches = max(2, round(TURNS / BATCH * options.effort))
            cpu = [_cpu_ms(clients, request) for _ in range(batches)]
    spread = Spread.of(cpu)
    rows: list[Row] = [{"body": "form", "bytes": len(request), "refusals": batches * BATCH * CLIENTS, "CPU ms": spread}]
    about = (
        f"{service.name} with one worker whose only place is taken; clients send forms that are refused. The CPU time "
        "is that of all of the gateway's processes, for refusing a request and skipping its body. The range is that of "
        f"{batches} batches."
    )
    goal = Goal(name="a refusal: CPU time, ms", value=spread.median, bound="below", limit=0.3)
    return Section(title="A refusal", about=about, rows=rows, goals=[goal])


@contextmanager
def _full(started: Running, clip: bytes) -> Iterator[None]:
    """Meanwhile a request that nobody answers has the only place."""
    servers = members("model-server")
    with socket.create_connection(("127.0.0.1", started.port), timeout=60) as client:
        for pid in servers:
            os.kill(pid, signal.SIGSTOP)
        try:
            client.sendall(uploads.request_of(started.service.raw.path, started.service.raw.body, clip))
            time.sleep(0.5)  # until it has arrived
            yield
        finally:
            for pid in servers:
                os.kill(pid, signal.SIGCONT)


def _cpu_ms(clients: list[socket.socket], request: bytes) -> float:
    before = cpu_s("gateway")
    _turns(clients, request, BATCH)
    return 1000 * (cpu_s("gateway") - before) / (BATCH * len(clients))


def _turns(clients: list[socket.socket], request: bytes, turns: int) -> None:
    for _ in range(turns):
        for client in clients:
            client.sendall(request)
            with http.client.HTTPResponse(client, method="POST") as response:
                response.begin()
                response.read()
                if response.status != 503:
                    raise RuntimeError(f"a request that had no place was answered by {response.status}")
        time.sleep(REST_S)
