"""A model card in words: what the page says of a model in three sentences, and `/card` in full.

A card is what the model's makers wrote, as JSON of any shape: what is absent, or of another shape, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from pydantic import BaseModel, Field, ValidationError

CAVEAT: Final = (
    "Expect less of speech that is not like its training data: of unacted speech, and of other languages, voices, "
    "rooms and microphones."
)
WEAKEST: Final = 3
"""How many emotions are named as those that it errs most on."""


Section = TypeVar("Section", bound=BaseModel)


class Data(BaseModel):
    """What it was trained on."""

    name: str
    clips: int
    speakers: list[str]
    source: str = ""
    licence: str = ""


class PerEmotion(BaseModel):
    """How well clips of one emotion are named."""

    clips: float
    precision: float
    recall: float
    f1: float


class Figures(BaseModel):
    """How well it names clips of speakers that it was not trained on."""

    accuracy: float
    uar: float | None = None
    ece: float | None = None
    clips: int | None = None
    per_label: dict[str, PerEmotion] = Field(default_factory=dict)
    per_sex: dict[str, float] = Field(default_factory=dict)
    confusion: list[list[int]] = Field(default_factory=list)


def section(kind: type[Section], found: object) -> Section | None:
    """A part of a card, or None if it is absent or of another shape."""
    try:
        return kind.model_validate(found)
    except ValidationError:
        return None


def figures(card: Mapping[str, Any]) -> Figures | None:
    """The figures for speakers that were never heard in training, or those for speakers held out of it."""
    evaluation = card.get("evaluation")
    if not isinstance(evaluation, Mapping):
        return None
    return section(Figures, evaluation.get("unheard_speakers")) or section(Figures, evaluation.get("held_out"))


def sentences(card: Mapping[str, Any]) -> tuple[str, str, str]:
    """What a model was trained on, how often it is right, and where it fails."""
    return _trained_on(section(Data, card.get("data"))), _right(figures(card)), CAVEAT


def _trained_on(data: Data | None) -> str:
    if data is None:
        return "Its card does not say what the model was trained on."
    return f"The model was trained on {data.name}: {data.clips:,} clips of {len(data.speakers):,} speakers."


def _right(found: Figures | None) -> str:
    if found is None:
        return "Its card does not say how often the model is right about speakers that it has never heard."
    said = f"It names {found.accuracy:.0%} of the clips of speakers that it has never heard as they are labelled"
    if weak := sorted(found.per_label.items(), key=lambda entry: entry[1].recall)[:WEAKEST]:
        said += f"; it is weakest on {_list([f'{name} ({each.recall:.0%})' for name, each in weak])}"
    if len(found.per_sex) > 1:
        low, *_, high = sorted(found.per_sex.items(), key=lambda entry: entry[1])
        said += f", and weaker on {low[0]} voices ({low[1]:.0%}) than on {high[0]} ones ({high[1]:.0%})"
    return f"{said}."


def _list(names: Sequence[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last


def shares(rows: Sequence[Sequence[int]]) -> list[list[tuple[int, int]]]:
    """Each count of a confusion matrix, with its share of its row in tenths (0 to 10), as the page shades it."""
    return [[(count, round(10 * count / max(1, sum(row)))) for count in row] for row in rows]
