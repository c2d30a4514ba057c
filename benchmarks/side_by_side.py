"""This project's service beside what people would use instead: `python -m benchmarks service`.

The same clips, the same weights, the same closed loop (benchmarks.load) for all, one service at a time, each started
anew for each model. Processes may use every core; nothing is configured beyond what a peer's documentation starts with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from subprocess import SubprocessError

from benchmarks import uploads
from benchmarks.comparison import BASELINE, USUAL, Load, Measured, all_loads, better_peers, impatience, usual_load
from benchmarks.load import Plan, Report, Run, loader
from benchmarks.processes import memory
from benchmarks.results import Section
from benchmarks.services import MODELS, Running, Service, ours, peers, running
from benchmarks.suite import Options

CLIENTS = (1, 4, 16, 64)
SLICES = {"ours": 3, "handed": 3, "naive": 2}
"""How often the usual load is repeated."""
SECONDS = 1.0
TURNS = 8
"""How often impatient clients take turns with patient ones. Other work on the machine comes and goes within seconds, so
that many short turns say more than few long ones."""
MANY_TIMES = 2.5
"""A window of many clients is this many times as long and begins later, as patient ones wait 1 s after a refusal."""


def measure(options: Options) -> list[Section]:
    """Three tables: the usual load for each model, all loads, and impatient clients beside patient ones."""
    seconds, models = SECONDS * options.effort, options.models or tuple(MODELS)
    with uploads.clips() as clips, loader() as run:
        load = _Load(run, clips, seconds)
        found = [_measured(service, model, load) for model in models for service in _chosen(options.peers)]
    begun = [each for each in found if each.reports]
    return [
        *(usual_load(model, [each for each in found if each.model == model]) for model in models),
        better_peers(begun),
        all_loads(begun),
        impatience(begun),
    ]


def _chosen(names: Sequence[str]) -> Iterator[Service]:
    """This project's services and all peers, or those whose folder is named."""
    yield from ours()
    for way in ("handed", "naive"):
        yield from (each for each in peers(way) if not names or each.folder in names)


def _loads(service: Service, model: str) -> list[Load]:
    """Every load with the smallest model; the others, and naive peers but for Flask, have fewer."""
    if service.way == "naive" and service.name != BASELINE:
        return [USUAL]
    if model == "ann":
        return [*(("form", clients) for clients in CLIENTS), ("raw", USUAL[1]), ("raw", CLIENTS[-1])]
    return [USUAL, ("form", 16), ("raw", USUAL[1])]


@dataclass(frozen=True)
class _Load:
    """The clients of a run."""

    run: Run
    clips: list[str]
    seconds: float

    def report(self, started: Running, body: str, clients: int) -> Report:
        """What so many clients see of a service; many need longer until as many wait as they will."""
        upload = started.service.form if body == "form" else started.service.raw
        tags, longer = list(started.service.tags), MANY_TIMES if clients > USUAL[1] else 1
        plan = Plan([started.port], upload.path, upload.body, self.clips, clients, self.seconds * longer, tags=tags)
        return self.run(replace(plan, warm_s=plan.warm_s * longer**2))

    def turn(self, started: Running, number: int) -> tuple[Report, Report]:
        """What sixteen patient clients see and what impatient ones do, one right after the other; either may begin."""
        upload = started.service.form
        plan = Plan([started.port], upload.path, upload.body, self.clips, 16, self.seconds, 0.5)
        plan = replace(plan, tags=list(started.service.tags))
        seen = {patient: self.run(replace(plan, patient=patient)) for patient in (number % 2 == 0, number % 2 == 1)}
        return seen[True], seen[False]

    @property
    def clip(self) -> bytes:
        """For the first answer."""
        return Path(self.clips[0]).read_bytes()


def _measured(service: Service, model: str, load: _Load) -> Measured:
    measured = Measured(model, service)
    try:
        with running(service, model, load.clip) as started:
            measured.first_answer_s = started.first_answer_s
            time.sleep(0.5)
            measured.idle = memory(*service.tags)
            load.report(started, *USUAL)  # caches warm, threads started
            for each in _loads(service, model):
                slices = SLICES[service.way] if each == USUAL else 1
                measured.reports[each] = [load.report(started, *each) for _ in range(slices)]
            measured.loaded = memory(*service.tags)
            if service.way == "ours" and model == "ann":
                measured.impatient = [load.turn(started, number) for number in range(TURNS)]
    except (RuntimeError, OSError, SubprocessError) as error:  # the other services are still measured
        measured.failure = str(error)
        print(f"{service.name} ({service.way}, {model}): {error}", file=sys.stderr, flush=True)
        return measured
    print(f"{service.name} ({service.way}, {model}): {measured.rate():.0f} answers a second", flush=True)
    return measured
