"""Which version a label named before: kept as comments at the head of `models.config`.

There it changes in the same atomic step as the labels; TensorFlow Serving's parser passes comments over.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

_PREFIX = "# label-history: "
KEPT = 100


@dataclass(frozen=True)
class Move:
    """A label that went from one version to another; none: it was not set, or is not any more."""

    at: str
    model: str
    label: str
    before: int | None
    after: int | None
    rollback: bool = False

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
    """The newest moves as comment lines."""
    return "".join(f"{_PREFIX}{json.dumps(asdict(move))}\n" for move in moves[-KEPT:])


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
