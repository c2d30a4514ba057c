"""What answers are worth that know nothing of a clip, beside which an accuracy has to be read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from training_pipeline.training.examples import Examples

DRAWS, LEVEL = 10_000, 0.95


def beside_chance(right: npt.NDArray[np.bool_], examples: Examples, majority: str) -> dict[str, Any]:
    """Figures as JSON: accuracy with its interval, chance, and the share of `majority`, training's most frequent one.

    `right` `[clips]` says which answers to the examples are right. The interval is of a bootstrap of speakers, and of
    clips of each drawn speaker, as there may be few of either.
    """
    names = np.array([clip.speaker for clip in examples.clips])
    _, speaker, clips = np.unique(names, return_inverse=True, return_counts=True)
    share = np.bincount(speaker, right) / clips
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(clips), (DRAWS, len(clips)))
    accuracy = random.binomial(clips[drawn], share[drawn]).sum(axis=1) / clips[drawn].sum(axis=1)
    low, high = np.quantile(accuracy, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {
        "accuracy": float(right.mean()),
        "accuracy_interval": [float(low), float(high)],
        "chance": 1 / len(examples.emotions),
        "majority": majority,
        "majority_share": float((examples.targets == examples.emotions.index(majority)).mean()),
    }


def told(figures: dict[str, Any]) -> str:
    """The figures in a few words."""
    low, high = figures["accuracy_interval"]
    return (
        f"{figures['accuracy']:.1%} ({low:.1%} to {high:.1%}); always saying {figures['majority']}: "
        f"{figures['majority_share']:.1%}; chance: {figures['chance']:.1%}"
    )


def reaches_chance(figures: dict[str, Any]) -> bool:
    """Whether the interval reaches down to chance or to the majority's share."""
    low, _ = figures["accuracy_interval"]
    return bool(low <= max(figures["chance"], figures["majority_share"]))
