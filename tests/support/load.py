"""A closed-loop load generator: N clients, each sends its next request when the last is answered.

Shared by tests and benchmarks. `python -m tests.support.load URL --file CLIP` prints a summary.
"""

from __future__ import annotations

import argparse
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import requests


@dataclass(frozen=True)
class Record:
    """One request: seconds since the load began, seconds it took, HTTP status (0: no answer), answer or error."""

    started_s: float
    latency_s: float
    status: int
    body: str


@dataclass
class Report:
    """What a load saw."""

    records: list[Record]
    wall_s: float
    counts: Counter[int] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = Counter(record.status for record in self.records)

    @property
    def failed(self) -> list[Record]:
        """Requests that were not answered by a 2xx."""
        return [record for record in self.records if not 200 <= record.status < 300]

    @property
    def rate(self) -> float:
        """Answers of any kind per second."""
        return len(self.records) / self.wall_s

    def latency_s(self, percentile: float, status: int = 200) -> float:
        """Latency percentile of the requests with this status; NaN where there were none."""
        latencies = [record.latency_s for record in self.records if record.status == status]
        return float(np.percentile(latencies, percentile)) if latencies else float("nan")

    def summary(self) -> dict[str, object]:
        """Figures for people and scripts."""
        return {
            "requests": len(self.records),
            "failed": len(self.failed),
            "statuses": {str(status): count for status, count in sorted(self.counts.items())},
            "rate_per_s": round(self.rate, 2),
            **{f"p{p}_ms": round(self.latency_s(p) * 1000, 1) for p in (50, 95, 99)},
        }


Send = Callable[[requests.Session], requests.Response]


def run_load(
    send: Send,
    *,
    clients: int,
    requests_total: int | None = None,
    seconds: float = 30.0,
    pause_s: float = 0.0,
    until: threading.Event | None = None,
) -> Report:
    """Send until `requests_total` requests were begun, `seconds` have passed or `until` is set, whichever is first.

    A client rests `pause_s` between an answer and its next request.
    """
    begun = time.perf_counter()
    left = threading.Semaphore(requests_total) if requests_total is not None else None
    stopped = until or threading.Event()
    records: list[Record] = []

    def client() -> None:
        with requests.Session() as session:
            while time.perf_counter() - begun < seconds and (left is None or left.acquire(blocking=False)):
                records.append(_once(send, session, begun))
                if stopped.wait(pause_s):
                    break

    threads = [threading.Thread(target=client, name=f"load-{n}") for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Report(sorted(records, key=lambda record: record.started_s), time.perf_counter() - begun)


class BackgroundLoad:
    """Constant load from now on until it is stopped."""

    def __init__(self, send: Send, clients: int = 2) -> None:
        self._stop, self._reports = threading.Event(), list[Report]()
        self._thread = threading.Thread(target=self._run, args=(send, clients), name="load")
        self._thread.start()

    def _run(self, send: Send, clients: int) -> None:
        self._reports.append(run_load(send, clients=clients, seconds=600, until=self._stop))

    def stop(self) -> Report:
        """What it saw."""
        self._stop.set()
        self._thread.join()
        return self._reports[0]


def post_file(url: str, data: bytes, timeout_s: float = 60.0) -> Send:
    """A `send` that posts a clip as the multipart field `file`."""
    return lambda session: session.post(url, files={"file": ("clip.wav", data)}, timeout=timeout_s)


def post_raw(url: str, data: bytes, timeout_s: float = 60.0, **headers: str) -> Send:
    """A `send` that posts a clip as the body itself."""
    named = {"Content-Type": "application/octet-stream", **headers}
    return lambda session: session.post(url, data=data, headers=named, timeout=timeout_s)


class SlowClients:
    """Connections that promise a body and send a byte of it each `interval_s`, as a context manager.

    A connection that the server closes is opened anew, so that there are always `count`.
    """

    def __init__(self, port: int, count: int, interval_s: float = 1.0, path: str = "/predict") -> None:
        self._address = ("127.0.0.1", port)
        self._interval_s = interval_s
        head = f"POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: audio/wav\r\nContent-Length: 100000\r\n\r\n"
        self._head = head.encode()
        self._sockets = [self._open() for _ in range(count)]
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="slow-clients")
        self.reopened = 0

    def _open(self) -> socket.socket:
        opened = socket.create_connection(self._address, timeout=60)
        opened.sendall(self._head)
        return opened

    def _run(self) -> None:
        while not self._stopped.wait(self._interval_s):
            for number, each in enumerate(self._sockets):
                try:
                    each.sendall(b"x")
                except OSError:
                    each.close()
                    self._sockets[number] = self._open()
                    self.reopened += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        for each in self._sockets:
            each.close()


def _once(send: Send, session: requests.Session, begun: float) -> Record:
    started = time.perf_counter()
    try:
        response = send(session)
        status, body = response.status_code, response.text
    except requests.RequestException as error:
        status, body = 0, repr(error)
    ended = time.perf_counter()
    return Record(started - begun, ended - started, status, body)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--records", type=Path, help="write a JSON line for each request")
    options = parser.parse_args(arguments)
    send = post_file(options.url, options.file.read_bytes())
    report = run_load(send, clients=options.clients, requests_total=options.requests, seconds=options.seconds)
    if options.records:
        options.records.write_text("".join(json.dumps(asdict(record)) + "\n" for record in report.records))
    print(json.dumps(report.summary(), indent=2))


if __name__ == "__main__":
    main()
