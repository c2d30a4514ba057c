"""What one model gains over another on corpora that neither was trained on, from kept answers, paired by clip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from training_pipeline.errors import DataError
from training_pipeline.evaluation.across import Heard, measure_corpus
from training_pipeline.evaluation.over_speakers import OverSpeakers, Statistic


def across_gains(before: Sequence[Heard], after: Sequence[Heard]) -> list[dict[str, Any]]:
    """Figures as JSON of each corpus that both models answered without being trained on it, in order of names.

    `before` and `after` are as `measure_corpus` says, of the first seed of each; `accuracy_gain` and `uar_gain` are
    differences with intervals of a bootstrap over speakers. Clips count that both answered and whose label both can
    tell. Raises DataError if there is no such corpus, or if clips cannot be told apart by their names.
    """
    first, second = _left_out(before), _left_out(after)
    shared = sorted(first.keys() & second.keys())
    rows = [row for corpus in shared if (row := _gain(first[corpus], second[corpus]))]
    if not rows:
        raise DataError("there is no corpus that both models answered without having heard it")
    return rows


def _left_out(parts: Sequence[Heard]) -> dict[str, Heard]:
    """The answers of the first seed to each corpus that was left out."""
    ordered = sorted((part for part in parts if part.left_out), key=lambda part: -part.seed)
    return {part.corpus: part for part in ordered}


def _gain(before: Heard, after: Heard) -> dict[str, Any] | None:
    told = set(before.emotions) & set(after.emotions)
    names = {_name(before, i) for i, clip in enumerate(before.clips) if clip.emotion in told}
    names &= {_name(after, i) for i in range(len(after.clips))}
    if not names:
        return None
    one, other = _of_clips(before, names), _of_clips(after, names)
    over = OverSpeakers([clip.speaker for clip in one.clips])
    labels = np.array([clip.emotion for clip in one.clips])
    right, now_right = _right(one), _right(other)
    return {
        "corpus": after.corpus,
        "before": measure_corpus(one),
        "after": measure_corpus(other),
        **over.measured("accuracy_gain", _less(over.share(now_right), over.share(right))),
        **over.measured("uar_gain", _less(over.mean_share(now_right, labels), over.mean_share(right, labels))),
    }


def _name(heard: Heard, index: int) -> str:
    return str(heard.clips[index].path)


def _of_clips(heard: Heard, names: set[str]) -> Heard:
    """The answers to the clips of these names, by name. Raises DataError if two clips have the same name."""
    places: dict[str, int] = {}
    for i in range(len(heard.clips)):
        if places.setdefault(name := _name(heard, i), i) != i:
            raise DataError(f"{heard.corpus}: two clips have the name {name}, so that answers cannot be paired")
    order = [places[name] for name in sorted(names)]
    return replace(heard, clips=[heard.clips[i] for i in order], probabilities=heard.probabilities[order])


def _right(heard: Heard) -> Any:
    said = [heard.emotions[int(row.argmax())] for row in heard.probabilities]
    return np.array([clip.emotion == answer for clip, answer in zip(heard.clips, said, strict=True)])


def _less(one: Statistic, other: Statistic) -> Statistic:
    return lambda weights: one(weights) - other(weights)
