"""What small sets bring, on clips that are made up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from speech_emotion.contract import Description
from speech_emotion.features import SEED_SPEC
from training_pipeline.data.clips import read_clips
from training_pipeline.data.readers import read_data
from training_pipeline.data.synthetic import write_synthetic
from training_pipeline.errors import DataError
from training_pipeline.experiments import sizes
from training_pipeline.experiments.sizes import Sizes, measure_sizes, sizes_table


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine speakers, of each six clips of three emotions."""
    return write_synthetic(tmp_path_factory.mktemp("own"), speakers=9, takes=2)


@pytest.fixture
def asked(own: Path, tmp_path: Path) -> Sizes:
    return Sizes(data=own, sizes=(6, 24), models=("mlp",), cache=tmp_path / "cache", cache_max_bytes=10**9)


def test_every_speaker_is_tested_once_by_models_that_never_heard_them(own: Path, asked: Sizes) -> None:
    clips = read_clips(own)
    tested: Counter[str] = Counter()
    for part in sizes._strangers(clips, asked):
        strangers = {clips[i].speaker for i in part.test}
        tested.update(strangers)
        for size, train in part.train.items():
            assert len(train) == size
            assert not strangers & {clips[i].speaker for i in train}
            assert len(set(Counter(clips[i].emotion for i in train).values())) == 1
    assert set(tested.values()) == {1}
    assert len(tested) == 9


def test_personal_sets_are_of_one_speaker_and_tested_on_that_speakers_other_clips(own: Path, asked: Sizes) -> None:
    clips = read_clips(own)
    parts = list(sizes._personal(clips, replace(asked, sizes=(3, 4))))
    assert len(parts) == 9 * sizes.DRAWS
    for part in parts:
        assert {clips[i].speaker for i in part.test} == {clips[i].speaker for i in part.train[4]}
        assert set(part.train[3]) < set(part.train[4])
        assert not set(part.train[4]) & set(part.test)
        assert len({clips[i].emotion for i in part.train[3]}) == 3


@pytest.mark.parametrize("personal", [False, True])
def test_the_version_as_it_is_stands_before_a_row_for_each_size(asked: Sizes, personal: bool) -> None:
    size = 4 if personal else 18
    rows = measure_sizes(replace(asked, sizes=(size,), personal=personal))
    assert [(row["model"], row["size"]) for row in rows] == [("as it is", 0), ("mlp", size)]
    assert rows[1]["clips"] == 9 * 2 * sizes.DRAWS if personal else 54
    assert rows[1]["cpu_s"] > 0
    low, high = rows[1]["uar_interval"]
    assert low <= rows[1]["uar"] <= high
    lines = sizes_table(rows).splitlines()
    assert lines[3].startswith(f"| `mlp` | {size} | {rows[1]['uar']:.1%} ({low:.1%} to {high:.1%}) | ")


@pytest.mark.parametrize(
    ("speakers", "unheard", "said"),
    [
        (["own/00", "own/x", "calls/1"], False, "(the speakers 00), so it is not measured `as it is`"),
        (["talks/00", "calls/1"], True, "speakers who are called 00 too: if they are the same"),
        (["own/x", "calls/1"], True, ""),
    ],
    ids=["the same", "may be the same", "others"],
)
def test_what_the_version_has_heard_is_told(
    own: Path, asked: Sizes, speakers: list[str], unheard: bool, said: str,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(sizes, "described", lambda _: Description(SEED_SPEC, (), {"data": {"speakers": speakers}}))
    named = replace(asked, data=Path("own.csv"))
    assert sizes._is_unheard(Path("store/model/1"), read_data(own), named) == unheard
    assert said in caplog.text
    assert len(caplog.messages) == bool(said)


def test_the_version_has_no_row_on_what_it_heard(asked: Sizes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "_is_unheard", lambda *_: False)
    assert [row["model"] for row in measure_sizes(replace(asked, sizes=(18,)))] == ["mlp"]


def test_one_speaker_alone_has_no_interval(own: Path, asked: Sizes) -> None:
    alone = own.with_name("one.csv")
    alone.write_text("\n".join(row for row in own.read_text().splitlines() if ",00," in row or "label" in row))
    rows = measure_sizes(replace(asked, data=alone, sizes=(4,), personal=True))
    assert rows[1]["uar_interval"] is None
    assert f"{rows[1]['uar']:.1%} (interval not known) |" in sizes_table(rows)


def test_sets_that_cannot_be_drawn_are_refused(asked: Sizes) -> None:
    with pytest.raises(DataError, match="a set of 400 clips cannot be drawn: the speakers to train on have 36"):
        measure_sizes(replace(asked, sizes=(6, 400)))
    with pytest.raises(DataError, match="no speaker has more than 6 clips"):
        measure_sizes(replace(asked, sizes=(6,), personal=True))


def test_clips_marked_test_are_in_no_set(own: Path, asked: Sizes) -> None:
    marked = own.with_name("marked.csv")
    header, *rows = own.read_text().splitlines()
    marked.write_text(
        "\n".join([header, *(f"{row}test" if row.split(",")[2] in ("00", "01", "02") else row for row in rows)])
    )
    with pytest.raises(DataError, match="the speakers to train on have 24"):
        measure_sizes(replace(asked, data=marked, sizes=(400,)))


def test_clips_of_one_emotion_are_refused_as_every_answer_would_be_right(own: Path, asked: Sizes) -> None:
    alone = own.with_name("alone.csv")
    alone.write_text("\n".join(row for row in own.read_text().splitlines() if ",calm," in row or "label" in row))
    with pytest.raises(DataError, match="2 emotions are needed; the clips are all calm"):
        measure_sizes(replace(asked, data=alone))


def test_a_speaker_with_one_emotion_has_no_personal_sets(own: Path, asked: Sizes) -> None:
    clips = [clip for clip in read_clips(own) if clip.speaker != "00" or clip.emotion == "calm"]
    parts = list(sizes._personal(clips, replace(asked, sizes=(1,))))
    assert {clips[i].speaker for part in parts for i in part.test} == {f"0{n}" for n in range(1, 9)}
    with pytest.raises(DataError, match="no speaker with more than 1 clips has two emotions"):
        list(sizes._personal([clip for clip in clips if clip.speaker == "00"], replace(asked, sizes=(1,))))
