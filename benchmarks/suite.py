"""The benchmarks of `make bench`, by name.

Each is a module with `measure(options) -> list[Section]`. It is run in a process of its own, so that it may set
threads, affinity and environment as it likes, and one that fails does not take the others' results with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from benchmarks.results import Section


@dataclass(frozen=True)
class Options:
    """What a run was asked for; a benchmark scales its repetitions by `effort` (1: a full run)."""

    effort: float = 1.0
    peers: tuple[str, ...] = ()
    """Of the service benchmark, those to run; all if none is named."""
    models: tuple[str, ...] = ()
    """Of the service benchmark, those to serve; all if none is named."""


@dataclass(frozen=True)
class Entry:
    """Where a benchmark is, and the seconds after which it is ended."""

    module: str
    timeout_s: float

    def load(self) -> Callable[[Options], list[Section]]:
        """Its `measure`."""
        measure: Callable[[Options], list[Section]] = import_module(self.module).measure
        return measure


BENCHMARKS: Final[dict[str, Entry]] = {
    "features": Entry("benchmarks.features", 600),
    "gateway": Entry("benchmarks.own_cost", 300),
    "model_server": Entry("benchmarks.model_server", 600),
    "profile": Entry("benchmarks.profile", 300),
    "scale": Entry("benchmarks.scale", 600),
    "service": Entry("benchmarks.side_by_side", 1_800),
}
