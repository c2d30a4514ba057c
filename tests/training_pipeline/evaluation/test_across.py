"""Figures of each corpus out of answers that are known, and the file that keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from training_pipeline.data.clips import Clip
from training_pipeline.errors import DataError
from training_pipeline.evaluation.across import (
    Heard,
    add_across,
    age_group,
    measure_across,
    measure_corpus,
    read_across,
)

EMOTIONS = ("glad", "sad", "calm")


def heard(corpus: str = "ours", left_out: bool = True, seed: int = 0, emotions: tuple[str, ...] = EMOTIONS) -> Heard:
    """Eight clips of four speakers: glad is always named right, sad once in two, once for calm; one is surprised."""
    answers = {"glad": [0.9, 0.1, 0.0], "sad": [0.1, 0.6, 0.3], "calm": [0.25, 0.3, 0.45]}
    said = [("glad", "glad"), ("sad", "sad"), ("glad", "glad"), ("sad", "calm")] * 2
    clips = [
        Clip(Path(f"{n}.wav"), label, f"{n // 2}", ("female", "male")[n // 2 % 2], "", corpus, 20 + n)
        for n, (label, _) in enumerate(said)
    ]
    rows = [answers[answer][: len(emotions)] for _, answer in said]
    clips.append(Clip(Path("x.wav"), "surprised", "0", "female", "", corpus))
    rows.append(answers["glad"][: len(emotions)])
    return Heard(corpus, left_out, seed, clips, emotions, np.array(rows))


def test_accuracy_uar_and_certainty_are_of_the_labels_that_the_model_knows() -> None:
    found = measure_corpus(heard())
    assert (found["clips"], found["unknown_label"], found["speakers"]) == (8, 1, 4)
    assert (found["accuracy"], found["uar"]) == (0.75, 0.75)
    assert (found["sure"], found["sure_right"]) == (0.75, 1.0)
    assert found["per_sex"] == {"female": 1.0, "male": 0.5}
    assert found["per_age"] == {"under 30": 0.75}


def test_a_corpus_can_be_asked_only_among_its_own_labels() -> None:
    found = measure_corpus(heard())
    # Among glad and sad alone, calm's second choice is right: 0.3 of 0.25 + 0.3, which is not uncertain.
    assert (found["among"]["accuracy"], found["among"]["uar"]) == (1.0, 1.0)
    assert (found["among"]["sure"], found["among"]["sure_right"]) == (1.0, 1.0)
    assert found["among"]["per_sex"] == {"female": 1.0, "male": 1.0}


def test_intervals_are_over_speakers() -> None:
    found = measure_corpus(heard())
    # Of four speakers two are right always and two in half: every draw lies between.
    assert found["accuracy_interval"] == [0.5, 1.0]
    assert found["sure_right_interval"] == [1.0, 1.0]


def test_ages_are_grouped() -> None:
    assert [age_group(age) for age in (None, 0, 29, 30, 44, 45, 60, 99)] == [
        "", "under 30", "under 30", "30 to 44", "30 to 44", "45 to 59", "60 and over", "60 and over",
    ]  # fmt: skip


def test_the_calibration_error_has_an_interval() -> None:
    found = measure_corpus(heard())
    low, high = found["ece_interval"]
    assert low <= found["ece_debiased"] <= high


def test_a_corpus_of_unknown_labels_has_no_figures() -> None:
    strange = Heard("theirs", True, 0, [Clip(Path("a"), "bored", "1")], ("glad", "sad"), np.array([[0.5, 0.5]]))
    assert measure_corpus(strange) == {"clips": 0, "unknown_label": 1}
    unsure = Heard("theirs", True, 0, [Clip(Path("a"), "glad", "1")], EMOTIONS, np.array([[0.4, 0.3, 0.3]]))
    assert (measure_corpus(unsure)["sure"], measure_corpus(unsure)["sure_right"]) == (0.0, None)


def test_what_is_written_is_read_and_a_part_replaces_its_own_kind(tmp_path: Path) -> None:
    path = tmp_path / "model" / "across.csv"
    add_across(path, [heard(left_out=False), heard("theirs", emotions=("glad", "sad"))])
    add_across(path, [heard(seed=1), heard(left_out=False)])
    parts = read_across(path)
    assert [(part.corpus, part.left_out, part.seed, part.emotions) for part in parts] == [
        ("ours", False, 0, EMOTIONS), ("theirs", True, 0, ("glad", "sad")), ("ours", True, 1, EMOTIONS),
    ]  # fmt: skip
    assert measure_corpus(parts[0]) == measure_corpus(heard())
    assert [clip.age for clip in parts[0].clips][-2:] == [27, None]
    header, first = path.read_text().splitlines()[:2]
    assert header == "corpus,clip,speaker,sex,age,seed,label,predicted,left_out,p_glad,p_sad,p_calm"
    assert first == "ours,0,0,female,20,0,glad,glad,no,0.900000,0.100000,0.000000"
    assert [row["corpus"] for row in measure_across(parts)] == ["ours", "ours", "theirs"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column corpus, clip, speaker, label, left_out"),
        ("corpus,clip,speaker,label,left_out,p_a\n", "p_<emotion>, or no row"),
        ("corpus,clip,speaker,label,left_out,p_a,p_b\nx,1,1,a,perhaps,1,0\n", "line 2: left_out must be yes or no"),
        ("corpus,clip,speaker,label,left_out,p_a,p_b\nx,1,1,a,yes,1,0\nx,2,1,a,yes,1,none\n", "line 3: could not"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "across.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_across(path)
