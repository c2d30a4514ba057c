"""Which version a label named before, and which ones are leaving: comments at the head of `models.config`.

There they change in the same atomic step as the labels; TensorFlow Serving's parser passes comments over.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

_PREFIX = "# label-history: "
_LEAVING = "# leaving: "
KEPT = 100
"""Moves of each model that are kept: those of another one must not cost it what a rollback goes to."""


@dataclass(frozen=True)
class Move:
    """A label that went from one version to another; none: it was not set, or is not any more."""

    at: str
    model: str
    label: str
    before: int | None
    after: int | None
    rollback: bool = False

    def __post_init__(self) -> None:
        if datetime.fromisoformat(self.at).tzinfo is None:
            raise ValueError(f"a time without its zone: {self.at}")

    @classmethod
    def now(cls, model: str, label: str, before: int | None, after: int | None, *, rollback: bool = False) -> Move:
        """A move of this moment."""
        return cls(datetime.now(UTC).isoformat(timespec="seconds"), model, label, before, after, rollback)


def parse_history(text: str) -> tuple[Move, ...]:
    """The moves in the comments of a `models.config`, oldest first; lines that are none are passed over."""
    moves = []
    for line in text.splitlines():
        if line.startswith(_PREFIX):
            try:
                moves.append(Move(**json.loads(line.removeprefix(_PREFIX))))
            except (ValueError, TypeError):
                continue
    return tuple(moves)


def render_history(moves: Sequence[Move]) -> str:
    """The newest moves of each model as comment lines."""
    later: Counter[str] = Counter()
    lines = []
    for move in reversed(moves):
        if later[move.model] < KEPT:
            lines.append(f"{_PREFIX}{json.dumps(asdict(move))}\n")
        later[move.model] += 1
    return "".join(reversed(lines))


def parse_leaving(text: str) -> frozenset[tuple[str, int]]:
    """Model and number of the versions that are being taken out of the store, from the comments of a file."""
    found = set()
    for line in text.splitlines():
        if line.startswith(_LEAVING):
            with contextlib.suppress(ValueError, TypeError, KeyError):
                mark = json.loads(line.removeprefix(_LEAVING))
                found.add((str(mark["model"]), int(mark["version"])))
    return frozenset(found)


def render_leaving(leaving: Iterable[tuple[str, int]]) -> str:
    """A comment line for each of these versions."""
    return "".join(f"{_LEAVING}{json.dumps({'model': name, 'version': n})}\n" for name, n in sorted(leaving))


def predecessors(moves: Sequence[Move], model: str, label: str = "stable") -> list[int]:
    """Versions to roll back to, nearest first: a rollback takes back the newest move not yet taken back."""
    stack: list[int] = []
    for move in moves:
        if (move.model, move.label) != (model, label):
            continue
        if move.rollback:
            # A rollback may have passed over versions that were pruned meanwhile.
            while stack and stack.pop() != move.after:
                pass
        elif move.before is not None:
            stack.append(move.before)
    return stack[::-1]
