"""Shares of clips, and intervals over their speakers, whose values are known by arithmetic."""

from __future__ import annotations

import numpy as np

from training_pipeline.evaluation.over_speakers import OverSpeakers

# Two speakers of two clips each: one always right, the other never.
SPEAKERS = np.array(["a", "a", "b", "b"])
RIGHT = np.array([True, True, False, False])


def test_an_interval_reaches_from_the_worst_speaker_to_the_best() -> None:
    over = OverSpeakers(SPEAKERS)
    assert over.measured("accuracy", over.share(RIGHT)) == {"accuracy": 0.5, "accuracy_interval": [0.0, 1.0]}
    everyone = over.measured("accuracy", over.share(np.ones(4, np.bool_)))
    assert everyone == {"accuracy": 1.0, "accuracy_interval": [1.0, 1.0]}


def test_a_share_of_nothing_is_null() -> None:
    over = OverSpeakers(SPEAKERS)
    nothing = np.zeros(4, np.bool_)
    assert over.measured("right", over.share(RIGHT, nothing)) == {"right": None, "right_interval": None}


def test_clips_of_one_speaker_have_no_interval() -> None:
    alone = OverSpeakers(np.array(["a"] * 4))
    assert alone.measured("accuracy", alone.share(RIGHT)) == {"accuracy": 0.5, "accuracy_interval": None}
    uar = alone.measured("uar", alone.mean_share(RIGHT, np.array([0, 0, 0, 1])))
    assert uar == {"uar": np.mean([2 / 3, 0]), "uar_interval": None}
    # Of two speakers only one has clips that count.
    over = OverSpeakers(SPEAKERS)
    assert over.measured("right", over.share(RIGHT, RIGHT)) == {"right": 1.0, "right_interval": None}


def test_uar_counts_each_kind_alike() -> None:
    over = OverSpeakers(SPEAKERS)
    kinds = np.array([0, 0, 0, 1])
    # Two of three clips of the first kind are right, none of the second.
    assert over.measured("uar", over.mean_share(RIGHT, kinds))["uar"] == np.mean([2 / 3, 0])


def test_certain_answers_are_those_at_the_threshold_and_above() -> None:
    found = OverSpeakers(SPEAKERS).certainty(np.array([0.5, 0.9, 0.7, 0.49]), RIGHT)
    assert (found["sure"], found["sure_right"]) == (0.75, 2 / 3)
