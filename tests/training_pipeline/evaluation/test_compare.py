from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from speech_emotion.contract import Description
from speech_emotion.features import SEED_SPEC
from training_pipeline.data.dataset import Corpus
from training_pipeline.evaluation.compare import decide, incomparable, paired
from training_pipeline.training.examples import Examples


class Known:
    """A model whose answers are known: right for the first `right` of every ten clips."""

    def __init__(
        self, examples: Examples, right: int, card: dict[str, Any] | None = None, reverse: bool = False
    ) -> None:
        labels = examples.emotions[::-1] if reverse else examples.emotions
        self.description = Description(SEED_SPEC, labels, card or {"data": {"speakers": ["nobody"]}})
        answers = [t if n % 10 < right else (t + 1) % 3 for n, t in enumerate(examples.targets)]
        order = [labels.index(label) for label in examples.emotions]
        self._probabilities = np.eye(3)[[order[answer] for answer in answers]]

    def predict(self, features: Sequence[Any]) -> Any:
        assert len(features) == len(self._probabilities)
        return self._probabilities


def verdict(examples: Examples, candidate: Known, stable: Known | None, **options: Any) -> tuple[str, str]:
    pair = (7, stable) if stable else None
    found = decide(candidate, examples, "calm", pair, lambda _: examples.features, **options)  # type: ignore[arg-type]
    assert found.stable == (7 if stable else None)
    return found.verdict, found.reason


def test_a_better_candidate_is_published_a_worse_or_equal_one_is_not(examples: Examples) -> None:
    good, fair = Known(examples, 9), Known(examples, 6)
    assert verdict(examples, good, fair)[0] == "publish"
    assert verdict(examples, fair, good)[0] == "refuse"
    assert verdict(examples, good, good)[0] == "refuse"
    assert verdict(examples, good, Known(examples, 6, reverse=True))[0] == "publish"


def test_the_margin_is_obeyed(examples: Examples) -> None:
    good, fair = Known(examples, 9), Known(examples, 6)
    assert verdict(examples, good, fair, margin=0.5)[0] == "refuse"
    assert verdict(examples, fair, good, margin=-0.6)[0] == "publish"


def test_chance_is_the_floor_also_without_a_stable_version(examples: Examples) -> None:
    assert verdict(examples, Known(examples, 9), None)[0] == "publish"
    refused, reason = verdict(examples, Known(examples, 3), None)
    assert refused == "refuse"
    assert "no better than always saying calm" in reason


def test_a_first_version_that_may_be_chance_gets_no_label(examples: Examples) -> None:
    # Of three emotions 54 % of clips are named right, but of one speaker hardly any.
    one, *others = sorted({clip.speaker for clip in examples.clips})
    lucky = Known(examples, 10)
    wrong = [n for n, clip in enumerate(examples.clips) if clip.speaker == one or n % 4 == 0]
    lucky._probabilities[wrong] = np.roll(lucky._probabilities[wrong], 1, axis=1)
    found, reason = verdict(examples, lucky, None)
    assert others
    assert found == "unlabelled"
    assert "always saying calm: 33.3%; chance: 33.3%; no label" in reason
    assert verdict(examples, lucky, Known(examples, 1))[0] == "publish"


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"data": {"speakers": ["00", "77"]}}, "held-out speakers 00"),
        ({"data": {"speakers": ["calls/00", "calls/01", "visits/77"]}}, "held-out speakers 00, 01;"),
        ({"data": {"speakers": ["anna"]}, "pretrained": {"its data": "Eva; Anna's calls"}}, "trained on Anna's calls;"),
        ({"data": {}}, "does not say which speakers"),
    ],
)
def test_a_stable_version_that_cannot_be_compared_is_said(examples: Examples, card: dict[str, Any], said: str) -> None:
    calls = Corpus("", examples.emotions, source="Anna's calls")  # clips without a corpus, which is cited all the same
    cited = replace(examples, data=replace(examples.data, corpora=(calls,)))
    decided, reason = verdict(cited, Known(examples, 9), Known(examples, 6, card))
    assert decided == "canary"
    assert said in reason


@pytest.mark.parametrize(
    ("corpora", "among"),
    [(("calls", "visits"), "calls/00"), (("talks", "visits"), "talks/00"), (("calls", "visits", "talks"), "")],
    ids=["as before", "renamed", "beside a new one"],
)
def test_held_out_speakers_of_several_corpora_are_told_by_corpus(
    examples: Examples, corpora: tuple[str, ...], among: str
) -> None:
    own = corpora[0] if among else corpora[-1]
    card = {"data": {"speakers": ["calls/00", "visits/01", "visits/02", "visits/03", "visits/04"]}}
    clips = [replace(clip, corpus=own, speaker=f"{own}/{clip.speaker}") for clip in examples.clips]
    named = tuple(Corpus(name, examples.emotions) for name in corpora)
    held_out = replace(examples, data=replace(examples.data, clips=clips, corpora=named))
    said = incomparable(Known(examples, 6, card), held_out)  # type: ignore[arg-type]
    assert said == (f"it was trained on the held-out speakers {among}" if among else "")


def test_other_speakers_of_a_source_can_be_compared(examples: Examples) -> None:
    held_out = replace(examples, data=replace(examples.data, corpora=(Corpus("", examples.emotions, source="Anna"),)))
    card = {"data": {"speakers": ["eva"], "source": "Anna"}}
    assert incomparable(Known(examples, 6, card), held_out) == ""  # type: ignore[arg-type]


def test_other_emotions_cannot_be_compared(examples: Examples) -> None:
    other = Known(examples, 9)
    other.description = Description(SEED_SPEC, ("joy", "grief"), {})
    assert incomparable(other, examples) == "its emotions are joy, grief"  # type: ignore[arg-type]


def test_paired_figures_of_known_counts() -> None:
    right = np.array([True] * 9 + [False] * 1 + [True] * 90)
    before = np.array([False] * 9 + [True] * 1 + [True] * 90)
    figures = paired(right, before, 0.0, seed=0)
    assert (figures["won"], figures["lost"]) == (9, 1)
    assert figures["mcnemar_p"] == pytest.approx(2 * 11 / 1024)  # P(at most 1 of 10) is 11 / 1024
    assert figures["bootstrap_share"] > 0.98
    assert paired(right, right, 0.0, 0)["mcnemar_p"] == 1
