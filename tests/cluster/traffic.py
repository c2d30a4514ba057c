"""Constant load through the ingress while a test disturbs the service, and what clients saw of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Self

import requests

from tests.cluster.release import Release
from tests.support.clips import tone
from tests.support.load import Record, Report, run_load


@dataclass(frozen=True)
class Phase:
    """A disturbance, in seconds since the load began."""

    name: str
    begun_s: float
    ended_s: float


class Traffic:
    """As a context manager: load runs inside. `phase` names what is done meanwhile, `report` has the outcome."""

    def __init__(self, release: Release, *, clients: int = 4, pause_s: float = 0.05, timeout_s: float = 30) -> None:
        self._stop = threading.Event()
        self._sent = 0
        self.phases: list[Phase] = []
        clip = tone(0.5)  # a shorter one would not count as speech, and never reach a model server

        def send(session: requests.Session) -> requests.Response:
            self._sent += 1
            headers = {"Host": release.host}
            return session.post(release.url, files={"file": ("c.wav", clip)}, headers=headers, timeout=timeout_s)

        def run() -> None:
            self.report = run_load(send, clients=clients, seconds=2400, pause_s=pause_s, until=self._stop)

        self.report = Report([], 0.0)
        self._thread = threading.Thread(target=run, name="traffic")

    @property
    def sent(self) -> int:
        """Requests begun so far."""
        return self._sent

    @property
    def now_s(self) -> float:
        return time.perf_counter() - self._begun

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Note that what happens inside has this name."""
        begun = self.now_s
        yield
        self.phases.append(Phase(name, begun, self.now_s))
        print(f"{name}: {self.now_s - begun:.0f} s, {self._sent} requests so far")

    def during(self, phase: Phase) -> list[Record]:
        """Requests that were under way at some time of a phase."""
        return [
            record
            for record in self.report.records
            if record.started_s < phase.ended_s and record.started_s + record.latency_s > phase.begun_s
        ]

    @property
    def unheard(self) -> int:
        """Answers without an emotion: no model server was asked for them."""
        return sum(r.status == 200 and json.loads(r.body)["emotion"] is None for r in self.report.records)

    def figures(self) -> dict[str, object]:
        """What clients saw, as data for a report and a plot."""
        return {
            **self.report.summary(),
            "phases": [
                {
                    **asdict(phase),
                    "requests": len(self.during(phase)),
                    "failed": sum(record.status != 200 for record in self.during(phase)),
                }
                for phase in self.phases
            ],
            "failures": [asdict(record) for record in self.report.failed[:50]],
            "records": [(round(r.started_s, 2), round(r.latency_s, 4), r.status) for r in self.report.records],
        }

    def __enter__(self) -> Self:
        self._begun = time.perf_counter()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
