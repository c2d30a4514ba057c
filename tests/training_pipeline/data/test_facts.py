from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from training_pipeline.data import ravdess
from training_pipeline.data.clips import Clip
from training_pipeline.data.facts import RAVDESS_HEARD, Facts, facts_of

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
