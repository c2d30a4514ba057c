from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from training_pipeline.data import crema_d, nemo, ravdess
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import Corpus, DataSet
from training_pipeline.data.facts import RAVDESS_HEARD, Facts, facts_of, facts_of_set, sources_of

KNOWN = [Clip(Path(f"03-01-0{n}-01-01-01-01.flac"), ravdess.EMOTIONS[n - 1], "01") for n in (1, 3)]
OTHER = Clip(Path("call-17.wav"), "calm", "anna")


def test_what_nobody_named_of_ravdess_is_filled_in() -> None:
    assert facts_of(KNOWN) == Facts(ravdess.NAME, ravdess.LICENCE, ravdess.CITATION, RAVDESS_HEARD)


def test_what_was_named_stays() -> None:
    named = facts_of(KNOWN, "our cut", "agreed with its makers")
    assert (named.name, named.licence, named.source) == ("our cut", "agreed with its makers", ravdess.CITATION)


def test_a_mixed_set_has_the_licence_and_hears_more() -> None:
    mixed = facts_of([*KNOWN, OTHER])
    assert (mixed.licence, mixed.heard) == (ravdess.LICENCE, Facts.heard)


def test_other_recordings_have_only_what_was_named() -> None:
    assert facts_of([OTHER], "calls", "ours") == Facts("calls", "ours")
    assert facts_of([replace(OTHER, path=Path("03-01-09-01-01-01-01.wav"))]) == Facts()


@pytest.mark.parametrize(("name", "published"), [("1001_IWW_DIS_XX.wav", crema_d), ("EB0_anger_12.wav", nemo)])
def test_other_published_sets_are_known_by_their_names_too(name: str, published: ModuleType) -> None:
    clip = Clip(Path("mine") / name, "Wut", "anna")
    assert facts_of([clip]) == Facts(published.NAME, published.LICENCE, published.CITATION)
    named = DataSet([replace(clip, corpus="ours")], ("Wut",), corpora=(Corpus("ours", ("Wut",)),))
    assert facts_of_set(named) == Facts("ours", f"ours: {published.LICENCE}", published.CITATION)
    assert sources_of(named) == [published.CITATION]


@pytest.mark.parametrize(
    "name", ["1001_IWW_DIS.wav", "101_IWW_DIS_XX.wav", "EB0_joy_12.wav", "eb0_anger_12.wav", "AB1_anger_1.wav"]
)
def test_names_that_are_only_similar_are_nobodys(name: str) -> None:
    assert facts_of([Clip(Path(name), "calm", "anna")]) == Facts()


def test_a_set_of_several_cites_each() -> None:
    both = facts_of([*KNOWN, Clip(Path("EB0_anger_1.wav"), "angry", "EB0")])
    assert both.source == f"{ravdess.CITATION}; {nemo.CITATION}"
    assert both.licence == f"{ravdess.NAME}: {ravdess.LICENCE}; {nemo.NAME}: {nemo.LICENCE}"
    assert both.name == f"{ravdess.NAME} + {nemo.NAME}"
