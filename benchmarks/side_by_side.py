"""This project's service beside what people would use instead: `python -m benchmarks service`.

The same clips, the same weights, the same closed loop (benchmarks.load) for all, one service at a time, each started
anew for each model. Processes may use every core; nothing is configured beyond what a peer's documentation starts with.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import load, uploads
from benchmarks.comparison import SEED, USUAL, Load, Measured, all_loads, better_peers, impatience, usual_load
from benchmarks.load import Plan, Report
from benchmarks.processes import memory
from benchmarks.results import Section
from benchmarks.services import MODELS, Running, Service, ours, peers, running
from benchmarks.suite import Options

CLIENTS = (1, 4, 16, 64)
SLICES = {"ours": 3, "handed": 3, "naive": 2}
"""How often the usual load is repeated."""
SECONDS = 1.0


def measure(options: Options) -> list[Section]:
    """Three tables: the usual load for each model, all loads, and impatient clients beside patient ones."""
    seconds, models = SECONDS * options.effort, options.models or tuple(MODELS)
    with uploads.clips() as clips:
        found = [_measured(service, model, clips, seconds) for model in models for service in _chosen(options.peers)]
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
    """Every load with the smallest model; the others, and naive peers but for the seed's shape, have fewer."""
    if service.way == "naive" and service.name != SEED:
        return [USUAL]
    if model == "ann":
        return [(body, clients) for body in ("form", "raw") for clients in CLIENTS]
    return [("form", 1), USUAL, ("form", 16), ("raw", USUAL[1])]


def _measured(service: Service, model: str, clips: list[str], seconds: float) -> Measured:
    measured = Measured(model, service)
    try:
        with running(service, model, Path(clips[0]).read_bytes()) as started:
            measured.first_answer_s = started.first_answer_s
            time.sleep(0.5)
            measured.idle = memory(*service.tags)
            _all_reports(measured, started, clips, seconds)
            measured.loaded = memory(*service.tags)
            if service.way == "ours" and model == "ann":
                measured.impatient = [
                    (_report(started, "form", 16, clips, seconds), _report(started, "form", 16, clips, seconds, False))
                    for _ in range(SLICES["ours"])
                ]
    except (RuntimeError, OSError) as error:
        measured.failure = str(error)
        print(f"{service.name} ({service.way}, {model}): {error}", file=sys.stderr, flush=True)
        return measured
    print(f"{service.name} ({service.way}, {model}): {measured.rate():.0f} answers a second", flush=True)
    return measured


def _all_reports(measured: Measured, started: Running, clips: list[str], seconds: float) -> None:
    _report(started, *USUAL, clips, seconds / 2)  # caches warm, threads started
    for each in _loads(measured.service, measured.model):
        slices = SLICES[measured.service.way] if each == USUAL else 1
        measured.reports[each] = [_report(started, *each, clips, seconds) for _ in range(slices)]


def _report(
    started: Running, body: str, clients: int, clips: list[str], seconds: float, patient: bool = True
) -> Report:
    upload = started.service.form if body == "form" else started.service.raw
    tags = list(started.service.tags)
    return load.run(Plan([started.port], upload.path, upload.body, clips, clients, seconds, patient=patient, tags=tags))
