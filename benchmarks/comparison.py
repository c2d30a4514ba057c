"""The tables of the service benchmark, from what each service showed (benchmarks.side_by_side)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.load import Report
from benchmarks.processes import Memory
from benchmarks.results import Cell, Goal, Plot, Row, Section, Spread
from benchmarks.services import MODELS, Service

PRICE = 0.04
"""USD for an hour of a core with its memory: between those of the large clouds for general-purpose cores on demand."""
USUAL = ("form", 4)
"""The load that services are compared by, which is repeated: the body, and the number of clients."""
BASELINE = "Flask"
"""The peer that, with naive features, is what most projects begin with."""
NOTHING = Memory(0, 0)
Load = tuple[str, int]


@dataclass
class Measured:
    """What one service showed with one model; nothing but `failure` if it did not start."""

    model: str
    service: Service
    first_answer_s: float | None = None
    idle: Memory = NOTHING
    loaded: Memory = NOTHING
    reports: dict[Load, list[Report]] = field(default_factory=dict)
    impatient: list[tuple[Report, Report]] = field(default_factory=list)
    failure: str = ""

    def rate(self) -> float:
        """Answers a second under the usual load."""
        return median(report.rate for report in self.reports[USUAL])

    def cpu_ms(self) -> float:
        """CPU time for an answer under the usual load."""
        return median(report.cpu_ms() for report in self.reports[USUAL])


def usual_load(model: str, found: Sequence[Measured]) -> Section:
    """All services with one model under the usual load, with the goals."""
    first = next((each for each in found if each.reports), None)
    about = (
        f"The model `{model}`; four clients post WAV files of 48 kHz as forms. *Handed* peers run this project's "
        "feature code and the SavedModel's signature, *naive* ones librosa and Keras' `model.predict`. "
        f"Ratios are to {first.service.name if first else 'nothing'}. A million clips are priced "
        f"at {PRICE:.2f} USD for a core-hour."
    )
    rows = [_usual_row(each, first) for each in found]
    plot = Plot(group="service", bar="features", value="CPU ms an answer")
    return Section(title=f"Service with `{model}`", about=about, rows=rows, goals=_goals(model, found), plot=plot)


def _usual_row(each: Measured, first: Measured | None) -> Row:
    row: Row = {"service": each.service.name, "features": each.service.way}
    reports = each.reports.get(USUAL, [])
    if not reports or first is None:
        return row | dict.fromkeys(_USUAL_COLUMNS) | {"errors": "did not start"}
    cells: list[Cell] = [
        Spread.of(report.rate for report in reports),
        each.rate() / first.rate(),
        Spread.of(report.cpu_ms() for report in reports),
        each.cpu_ms() / first.cpu_ms(),
        1000 / each.cpu_ms(),
        median(report.percentile_ms(50) for report in reports),
        median(report.percentile_ms(99) for report in reports),
        _errors(reports),
        each.first_answer_s,
        f"{_megabytes(each.idle.private)} + {_megabytes(each.idle.shared)}",
        f"{_megabytes(each.loaded.private)} + {_megabytes(each.loaded.shared)}",
        each.cpu_ms() * 1e6 / 3.6e6 * PRICE,
    ]
    return row | dict(zip(_USUAL_COLUMNS, cells, strict=True))


_USUAL_COLUMNS = (
    "answers/s", "ratio", "CPU ms an answer", "CPU ratio", "answers/s and core", "p50 ms", "p99 ms", "errors",
    "first answer, s", "MB idle, private + shared", "MB loaded", "USD for a million",
)  # fmt: skip


def all_loads(found: Sequence[Measured]) -> Section:
    """A row for each service, model and load."""
    rows: list[Row] = [
        {
            "model": each.model,
            "service": each.service.name,
            "features": each.service.way,
            "body": body,
            "clients": clients,
            "answers/s": median(report.rate for report in reports),
            "CPU ms an answer": median(report.cpu_ms() for report in reports),
            "p50 ms": median(report.percentile_ms(50) for report in reports),
            "p99 ms": median(report.percentile_ms(99) for report in reports),
            "refused": sum(report.refused for report in reports),
            "errors": _errors(reports),
            "client's CPU ms": median(1000 * report.client_cpu_s / max(1, report.answers) for report in reports),
        }
        for each in found
        for (body, clients), reports in each.reports.items()
    ]
    about = (
        "All loads that were run, most of them with the smallest model. Latencies include what a client waits after a "
        "refusal (503 with Retry-After). KServe reads no forms: it gets JSON with base64 in their place. The last "
        "column is the load's own CPU time, which the others do not contain."
    )
    return Section(title="All loads", about=about, rows=rows)


def impatience(found: Sequence[Measured]) -> Section:
    """Impatient clients of this project's services beside patient ones."""
    rows: list[Row] = []
    goals = []
    for each in found:
        if not each.impatient:
            continue
        ratios = [impatient.rate / patient.rate for patient, impatient in each.impatient]
        rows.append(
            {
                "service": each.service.name,
                "patient, answers/s": Spread.of(patient.rate for patient, _ in each.impatient),
                "impatient, answers/s": Spread.of(impatient.rate for _, impatient in each.impatient),
                "ratio": Spread.of(ratios),
                "refusals for an answer, impatient": median(
                    impatient.refused / max(1, impatient.answers) for _, impatient in each.impatient
                ),
                "errors": _errors([report for pair in each.impatient for report in pair]),
            }
        )
        name = f"{each.service.name}: answers/s to impatient clients, as a share of those to patient ones"
        goals.append(Goal(name=name, value=median(ratios), bound="at least", limit=0.9))
    about = (
        "Sixteen clients with `ann`, in turns: patient ones wait as Retry-After asks, impatient ones ask again at once."
    )
    return Section(title="Impatient clients", about=about, rows=rows, goals=goals)


def _goals(model: str, found: Sequence[Measured]) -> list[Goal]:
    """Those of each of this project's services against the best handed peer and against naive Flask."""
    begun = [each for each in found if each.reports]
    handed = [each for each in begun if each.service.way == "handed"]
    naive = [each for each in begun if each.service.way == "naive" and each.service.name == BASELINE]
    goals = []
    for each in (each for each in begun if each.service.way == "ours"):
        name = f"`{model}`, {each.service.name}"
        if handed:
            fastest, leanest = max(peer.rate() for peer in handed), min(peer.cpu_ms() for peer in handed)
            value = each.rate() / fastest
            goals.append(Goal(name=f"{name}: answers/s to the best handed peer", value=value, bound="above", limit=1))
            value = each.cpu_ms() / leanest
            goals.append(Goal(name=f"{name}: CPU to the leanest handed peer", value=value, bound="below", limit=1))
        if naive and model == "ann":
            value = each.rate() / naive[0].rate()
            goals.append(Goal(name=f"{name}: answers/s to naive {BASELINE}", value=value, bound="at least", limit=20))
    return goals


FIGURES: dict[str, tuple[Callable[[Measured], float], bool]] = {
    "answers/s": (Measured.rate, True),
    "CPU ms an answer": (Measured.cpu_ms, False),
    "p99 ms": (lambda each: median(report.percentile_ms(99) for report in each.reports[USUAL]), False),
    "first answer, s": (lambda each: each.first_answer_s or float("inf"), False),
    "private MB loaded": (lambda each: each.loaded.private / 2**20, False),
}
"""What services are compared by: how it is found, and whether more is better."""


def better_peers(found: Sequence[Measured]) -> Section:
    """For each model and figure the best peer, where it is better than one of this project's services."""
    rows: list[Row] = []
    for model in MODELS:
        here = [each for each in found if each.model == model]
        peers_here = [each for each in here if each.service.way != "ours"]
        for name, (figure, more) in FIGURES.items():
            best = (max if more else min)(peers_here, key=figure, default=None)
            rows += [
                {
                    "model": model,
                    "figure": name,
                    "this project": each.service.name,
                    "its figure": figure(each),
                    "peer": f"{best.service.name} ({best.service.way})",
                    "the peer's": figure(best),
                }
                for each in here
                if each.service.way == "ours" and best and _better(figure(best), figure(each), more)
            ]
    about = (
        "Every figure of the tables above in which at least one peer is better than this project; the best peer is "
        "named. Peers lack limits, speech detection, warnings, metrics and changes of the version without a pause."
    )
    return Section(title="Where a peer is better", about=about, rows=rows)


def _better(first: float, second: float, more: bool) -> bool:
    return first > second if more else first < second


def _errors(reports: Sequence[Report]) -> Cell:
    errors = [f"{count} of {name}" for report in reports for name, count in report.errors.items()]
    return ", ".join(errors) if errors else 0


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.0f}"
