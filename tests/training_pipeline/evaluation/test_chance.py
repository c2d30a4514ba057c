"""What stands beside an accuracy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.evaluation.chance import beside_chance, reaches_chance, told
from training_pipeline.training.examples import Examples


def examples(speakers: int, clips: int) -> Examples:
    emotions = ("glad", "sad", "calm", "angry")
    made = [Clip(Path(f"{s}-{n}"), emotions[n % 4], str(s)) for s in range(speakers) for n in range(clips)]
    return Examples.of(DataSet(made, emotions), [])


def test_chance_and_the_share_of_the_most_frequent_emotion_are_told() -> None:
    test = examples(4, 10)
    figures = beside_chance(np.arange(40) % 2 == 0, test, "glad")
    assert (figures["accuracy"], figures["chance"], figures["majority_share"]) == (0.5, 0.25, 0.3)
    low, high = figures["accuracy_interval"]
    assert told(figures) == f"50.0% ({low:.1%} to {high:.1%}); always saying glad: 30.0%; chance: 25.0%"


def test_more_clips_make_the_interval_narrower_and_unlike_speakers_wider() -> None:
    def width(speakers: int, clips: int, right: np.ndarray) -> float:
        low, high = beside_chance(right, examples(speakers, clips), "glad")["accuracy_interval"]
        return float(high - low)

    few, many = width(4, 12, np.arange(48) % 3 == 0), width(4, 300, np.arange(1200) % 3 == 0)
    unlike = width(4, 300, np.arange(1200) >= 800)
    assert many < 0.06 < few < 0.3 < unlike


def test_an_accuracy_reaches_chance_by_its_lower_end() -> None:
    test = examples(5, 40)
    assert reaches_chance(beside_chance(np.arange(200) % 10 < 3, test, "glad"))
    assert not reaches_chance(beside_chance(np.arange(200) % 10 < 6, test, "glad"))
    assert not reaches_chance(beside_chance(np.ones(200, bool), examples(1, 200), "glad"))
