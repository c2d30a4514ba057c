"""What a card and a data set have in common: who was heard for certain, and who may have been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from training_pipeline.data import nemo
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import Corpus, DataSet
from training_pipeline.savedmodel.heard_before import HeardBefore, heard_before, listed


def card(*speakers: str, name: str = "unnamed", source: str = "", **pretrained: str) -> dict[str, Any]:
    return {"data": {"speakers": list(speakers), "name": name, "source": source}, "pretrained": pretrained}


def data(*speakers: str, corpus: str = "", beside: tuple[str, ...] = (), source: str = "") -> DataSet:
    """A clip of each speaker; of several corpora they are called CORPUS/SPEAKER, as `combined` does."""
    prefix = f"{corpus}/" if beside else ""
    clips = [Clip(Path(f"{n}.wav"), "happy", f"{prefix}{name}", corpus=corpus) for n, name in enumerate(speakers)]
    sources = {corpus: source, **dict.fromkeys(beside, "")} if corpus else {}
    corpora = tuple(Corpus(name, ("happy",), "", source) for name, source in sources.items())
    return DataSet(clips, ("happy",), corpora=corpora)


SEVERAL = card("pol/KD0", "pol/MK0", "eng/1001", "eng/1")


@pytest.mark.parametrize(
    ("known", "asked", "name", "speakers", "alike"),
    [
        (SEVERAL, data("KD0", "NEW", corpus="pol"), "", "KD0", ""),
        (SEVERAL, data("KD0", "NEW"), "pol", "KD0", ""),
        (SEVERAL, data("kd0"), "Pol", "kd0", ""),
        (SEVERAL, data("KD0", corpus="pol", beside=("eng",)), "", "pol/KD0", ""),
        (SEVERAL, data("KD0", "NEW"), "", "", "KD0"),
        (SEVERAL, data("pol/KD0"), "", "", "pol/KD0"),
        (SEVERAL, data("KD0", corpus="polish", beside=("eng",)), "", "", "polish/KD0"),
        (card("KD0"), data("KD0"), "pol", "", "KD0"),
        (card("KD0"), data("KD0", corpus="pol", beside=("eng",)), "", "", "pol/KD0"),
        (card("KD0", name="pol"), data("KD0", corpus="pol", beside=("eng",)), "", "pol/KD0", ""),
        (card("team/anna"), data("team/anna"), "mine", "", "team/anna"),
        (card("team/anna", name="mine"), data("team/anna"), "mine", "team/anna", ""),
        (card("a/b/1"), data("1", corpus="a/b"), "", "1", ""),
    ],
    ids=[
        "corpus and speaker", "a data set alone, called alike", "another case", "several on both sides",
        "a data set without a name", "a name with its corpus", "renamed", "both alone", "the card's alone",
        "the card's alone, of a named corpus", "a slash without a corpus", "a slash in a corpus",
        "a corpus with a slash",
    ],
)  # fmt: skip
def test_a_speaker_is_known_with_and_without_a_corpus(
    known: dict[str, Any], asked: DataSet, name: str, speakers: str, alike: str
) -> None:
    found = heard_before(known, asked, name)
    assert (" ".join(found.speakers), " ".join(found.alike)) == (speakers, alike)


def test_the_speaker_of_another_corpus_is_another_one_if_both_data_sets_have_that_corpus() -> None:
    assert heard_before(SEVERAL, data("1", corpus="pol", beside=("eng",))) == HeardBefore(corpora=("pol",))
    assert heard_before(SEVERAL, data("1", corpus="new", beside=("pol", "eng"))) == HeardBefore()
    assert heard_before(SEVERAL, data("1", corpus="new")).alike == ("1",)


def test_a_source_that_both_cite_makes_alike_the_same() -> None:
    known = card("ravdess/01", "nemo/KD0", source=f"someone; {nemo.CITATION}")
    renamed = heard_before(known, data("KD0", "NEW", corpus="polish", source=nemo.CITATION))
    assert renamed == HeardBefore(("KD0",), (), (), (nemo.CITATION,))
    assert renamed.told() == f"{nemo.CITATION}; the speakers KD0"
    others = heard_before(known, data("NEW", corpus="polish", source=nemo.CITATION))
    assert not others.is_certain
    assert others.sources == (nemo.CITATION,)
    files = DataSet([Clip(Path("KD0_fear_68.wav"), "fearful", "KD0")], ("fearful",))
    assert heard_before(known, files).speakers == ("KD0",)


def test_what_a_version_was_started_from_counts_by_its_source() -> None:
    started = card("anna", **{"its its data": f"{nemo.CITATION}; someone"})
    assert heard_before(started, data("NEW", corpus="nemo", source=nemo.CITATION)).is_certain
    assert not heard_before(started, data("NEW", corpus="nemo", source="someone else")).is_certain


def test_a_source_is_not_one_whose_words_are_part_of_another() -> None:
    assert heard_before(card("1", source=nemo.CITATION), data("2", corpus="own", source="Speech")).sources == ()


def test_a_corpus_without_a_clip_here_was_not_heard_here() -> None:
    both = data("KD0", corpus="nemo", beside=("own",), source=nemo.CITATION)
    own = replace(both, clips=[Clip(Path("1.wav"), "happy", "own/anna", corpus="own")])
    assert heard_before(card("KD0", source=nemo.CITATION), both).is_certain
    assert heard_before(card("KD0", source=nemo.CITATION), own) == HeardBefore()


def test_a_version_without_a_card_is_known_of_nothing() -> None:
    assert heard_before({}, data("anna"), "mine") == HeardBefore()


def test_many_speakers_are_counted() -> None:
    names = [f"{n:02}" for n in range(12)]
    assert listed(names[:10]) == ", ".join(names[:10])
    assert listed(names).endswith("08, 09 and 2 more")
