"""What a model gains on corpora that it was not trained on, paired by clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training_pipeline.evaluation.test_across import EMOTIONS, heard
from training_pipeline.errors import DataError
from training_pipeline.evaluation.across import add_across, measure_across, read_across
from training_pipeline.evaluation.across_gains import across_gains
from training_pipeline.reports.across import across_gains_table, across_table


def test_gains_are_differences_on_the_clips_of_both() -> None:
    before = heard()
    perfect = np.array([[clip.emotion == e for e in EMOTIONS] for clip in before.clips], np.float64)
    after = replace(before, probabilities=perfect)
    (row,) = across_gains([before], [after])
    assert (row["corpus"], row["before"]["accuracy"], row["after"]["accuracy"]) == ("ours", 0.75, 1.0)
    assert (row["accuracy_gain"], row["uar_gain"]) == (0.25, 0.25)
    # Two speakers gain nothing, two a half.
    assert row["accuracy_gain_interval"] == [0.0, 0.5]
    (line,) = across_gains_table([row]).splitlines()[2:]
    assert line.startswith("| ours | 8, 4 | 75.0% to 100.0% | +25.0 (+0.0 to +50.0) | 75.0% to 100.0% | +25.0")


def test_a_corpus_of_one_speaker_has_no_intervals() -> None:
    own = replace(heard(), clips=[replace(clip, speaker="0") for clip in heard().clips])
    (row,) = across_gains([own], [own])
    assert [name for name in row["after"] if name.endswith("interval") and row["after"][name] is not None] == []
    assert row["accuracy_gain_interval"] is row["uar_gain_interval"] is None
    assert "| 75.0% to 75.0% | +0.0 (interval not known) |" in across_gains_table([row])
    (measured,) = measure_across([own])
    assert across_table([measured]).splitlines()[2].count("% (interval not known)") == 5


def test_the_order_of_clips_does_not_matter() -> None:
    before = heard()
    order = np.arange(len(before.clips))[::-1]
    after = replace(before, clips=[before.clips[i] for i in order], probabilities=before.probabilities[order])
    (row,) = across_gains([before], [after])
    assert (row["accuracy_gain"], row["accuracy_gain_interval"]) == (0, [0, 0])


def test_only_labels_that_both_can_tell_count() -> None:
    (row,) = across_gains([heard(emotions=("glad", "sad"))], [replace(heard(), seed=3)])
    assert row["after"]["clips"] == row["before"]["clips"] == 8
    glad_alone = replace(heard(), emotions=("glad", "bored", "calm"))
    (row,) = across_gains([heard()], [glad_alone])
    assert row["after"]["clips"] == 4


def test_without_a_corpus_that_neither_heard_there_is_nothing_to_compare() -> None:
    with pytest.raises(DataError, match="there is no corpus"):
        across_gains([heard(left_out=False)], [heard()])


def test_clips_that_share_a_file_name_are_all_compared(tmp_path: Path) -> None:
    before = heard()
    clips = [replace(clip, path=Path(f"{clip.speaker}/{n % 2}.wav")) for n, clip in enumerate(before.clips[:8])]
    for model in ("one", "other"):
        add_across(tmp_path / model, [replace(before, clips=clips, probabilities=before.probabilities[:8])])
    (row,) = across_gains(read_across(tmp_path / "one"), read_across(tmp_path / "other"))
    assert (row["before"]["clips"], row["before"]["speakers"]) == (8, 4)


def test_answers_that_cannot_be_told_apart_are_not_compared() -> None:
    before = heard()
    alike = replace(before, clips=[replace(clip, path=Path("0.wav")) for clip in before.clips])
    with pytest.raises(DataError, match=r"ours: two clips have the name 0\.wav"):
        across_gains([alike], [alike])
