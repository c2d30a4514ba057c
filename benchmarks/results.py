"""What a benchmark returns, and the file of a run: `benchmarks/results/<date>-<revision>.json`."""

from __future__ import annotations

import math
import os
import platform
import re
import statistics
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from benchmarks.report import processor

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
PACKAGES = ("grpcio", "gunicorn", "keras", "librosa", "numpy", "scipy", "soxr", "tensorflow", "tensorflow-cpu")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spread(_Strict):
    """The median of repeated measurements, and the range of all of them."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Raises ValueError without values."""
        values = list(values)
        return cls(median=statistics.median(values), low=min(values), high=max(values))


def _known(value: object) -> object:
    """None in place of a number that is none, as a percentile of no answers is."""
    numbers = (value.median, value.low, value.high) if isinstance(value, Spread) else (value,)
    return None if any(isinstance(each, float) and not math.isfinite(each) for each in numbers) else value


Cell = str | bool | int | float | Spread | None
Row = dict[str, Cell]


class Goal(_Strict):
    """A figure and the bound that it should keep."""

    name: str
    value: Annotated[float | None, BeforeValidator(_known)]
    bound: Literal["at least", "at most", "below", "above"]
    limit: float

    @property
    def met(self) -> bool:
        """Whether there is a figure, and it keeps its bound."""
        if self.value is None:
            return False
        match self.bound:
            case "at least":
                return self.value >= self.limit
            case "at most":
                return self.value <= self.limit
            case "below":
                return self.value < self.limit
        return self.value > self.limit


class Plot(_Strict):
    """Horizontal bars of one column of the table: a group for each value of `group`, a bar for each of `bar`."""

    group: str
    bar: str
    value: str


class Section(_Strict):
    """A table of the page: what was compared and how (`about`), rows with the same keys, goals, at most one plot."""

    title: str
    about: str
    rows: list[dict[str, Annotated[Cell, BeforeValidator(_known)]]]
    goals: list[Goal] = Field(default_factory=list)
    plot: Plot | None = None


class Benchmark(_Strict):
    """What one benchmark found, how long it took, and the machine's load average when it began and ended."""

    seconds: float
    load_average: tuple[float, float]
    sections: list[Section]


class Run(BaseModel):
    """All benchmarks that were run at one revision on one day, and what they were run on."""

    model_config = ConfigDict(extra="forbid")

    measured: str
    """Date and time (UTC) of the last benchmark."""
    revision: str
    machine: dict[str, str]
    versions: dict[str, str]
    benchmarks: dict[str, Benchmark] = Field(default_factory=dict)

    @classmethod
    def here(cls) -> Self:
        """A run without results on this machine, now."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
        return cls(measured=now, revision=revision(), machine=machine(), versions=versions())

    @property
    def path(self) -> Path:
        """Where the run is kept by default."""
        return RESULTS / f"{self.measured[:10]}-{self.revision}.json"

    def write(self, path: Path) -> None:
        """Add these benchmarks to the file; others that it has stay."""
        if path.exists():
            before = Run.read(path)
            self = self.model_copy(update={"benchmarks": before.benchmarks | self.benchmarks})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises pydantic.ValidationError for a file of another form."""
        return cls.model_validate_json(path.read_text())


def newest(folder: Path = RESULTS) -> Path:
    """The file that was measured last. Raises FileNotFoundError where there is none."""
    found = sorted(folder.glob("*.json"), key=lambda path: Run.read(path).measured)
    if not found:
        raise FileNotFoundError(f"{folder} has no results: run `make bench` first")
    return found[-1]


def revision() -> str:
    """The commit, with `-dirty` where files differ from it; results and the page may differ."""
    git = ["git", "-C", str(ROOT)]
    head = subprocess.run([*git, "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode:
        return "unknown"
    command = [*git, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!docs", ":!benchmarks/results"]
    changed = subprocess.run(command, capture_output=True, text=True, check=False)
    return head.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")


def machine() -> dict[str, str]:
    """Processor, cores that may be used, memory and system."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Of Python, of the libraries that the figures depend on, and of the peers."""
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    for pinned in sorted((ROOT / "benchmarks" / "peers").glob("*/requirements.txt")):
        name = pinned.parent.name.replace("_", "-")
        peer = re.search(rf"^{name}(?:\[\w+\])?==(\S+)", pinned.read_text(), re.MULTILINE)
        found |= {name: peer[1]} if peer else {}
    return found
