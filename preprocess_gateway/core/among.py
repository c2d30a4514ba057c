"""Answers among some of a model's emotions, for clients who know that it can only be one of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field

from preprocess_gateway.errors import BadQueryError
from speech_emotion.contract import MAX_LABELS


def _different(names: tuple[str, ...]) -> tuple[str, ...]:
    if not all(names):
        raise ValueError("one of the names is empty")
    if len(set(names)) < max(2, len(names)):
        raise ValueError("two or more different emotions are needed")
    return names


Emotions: TypeAlias = Annotated[
    tuple[str, ...], Field(max_length=MAX_LABELS, json_schema_extra={"minItems": 2, "uniqueItems": True}),
    AfterValidator(_different),
]  # fmt: skip
"""What a client asks for."""


@dataclass(frozen=True)
class Among:
    """Some of the emotions that a model tells apart, and its probabilities if it can only be one of these."""

    emotions: tuple[str, ...]
    """In the model's order."""
    _places: npt.NDArray[np.intp]

    @classmethod
    def of(cls, asked: tuple[str, ...] | None, known: tuple[str, ...]) -> Self:
        """Those of the `known` emotions that are `asked` for; None asks for all.

        Raises BadQueryError for one that the model does not know.
        """
        unknown = [emotion for emotion in asked or () if emotion not in known]
        if unknown:
            raise BadQueryError(
                f"emotions: the model does not tell {unknown[0][:80]!r} apart; it knows {', '.join(known)}"
            )
        places = [place for place, emotion in enumerate(known) if asked is None or emotion in asked]
        return cls(tuple(known[place] for place in places), np.array(places, np.intp))

    def __call__(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Probabilities `[..., known]` as probabilities `[..., emotions]`, whose sum is 1 again.

        A row that has nothing for these emotions gives each the same.
        """
        if rows.shape[-1] == len(self._places):
            return rows
        chosen = rows[..., self._places].astype(np.float64)
        sums: npt.NDArray[Any] = chosen.sum(axis=-1, keepdims=True)
        chosen = np.divide(chosen, sums, out=np.full_like(chosen, 1 / len(self._places)), where=sums > 0)
        return np.asarray(chosen, np.float32)
