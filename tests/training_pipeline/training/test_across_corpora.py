"""The calibration of a model of several corpora: which clips it comes from, and that it doubts strange sounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import Corpus, DataSet
from training_pipeline.data.folds import speaker_folds
from training_pipeline.errors import DataError
from training_pipeline.training.across_corpora import Probes, across_corpora
from training_pipeline.training.examples import Examples

EMOTIONS = ("glad", "sad", "calm")
PLACES = {"one": 0.0, "other": 10.0, "third": -10.0}
"""The last two bins of what a corpus sounds like, around this value."""


def some(corpus: str, speakers: int = 4, told: tuple[str, ...] = ("glad", "sad"), each: int = 20) -> list[Clip]:
    return [
        Clip(Path(f"{corpus}-{speaker}-{n}.wav"), told[n % len(told)], f"{corpus}/{speaker}", corpus=corpus)
        for speaker in range(speakers)
        for n in range(each)
    ]


def examples_of(clips: Sequence[Clip], **told: tuple[str, ...]) -> Examples:
    """Clips of one window of one frame: its first three values are 1 at the emotion, two say where it is from."""
    names = sorted({clip.corpus for clip in clips})
    corpora = tuple(Corpus(name, told.get(name, ("glad", "sad"))) for name in names)
    emotions = tuple(e for e in EMOTIONS if any(e in corpus.emotions for corpus in corpora))
    random = np.random.default_rng(0)
    features = [random.normal(0, 0.1, (1, 1, 5)).astype(np.float32) for _ in clips]
    for feature, clip in zip(features, clips, strict=True):
        feature[0, 0, EMOTIONS.index(clip.emotion)] += 1
        feature[0, 0, 3:] = PLACES[clip.corpus] + random.normal(0, 1, 2)
    return Examples.of(DataSet(clips, emotions, corpora=corpora), features)


class Knower:
    """Fits that know the emotion of clips that sound like those they were given, and are as sure of wrong ones."""

    def __init__(self) -> None:
        self.given: list[Examples] = []

    def __call__(self, examples: Examples) -> keras.Model:
        self.given.append(examples)
        places = np.array([PLACES[name] for name in sorted({clip.corpus for clip in examples.clips})], np.float32)
        inputs = keras.Input((1, 5))
        near = ops.min(ops.abs(inputs[:, 0, 3:4] - places), axis=1, keepdims=True) < 5
        told = inputs[:, 0, : len(examples.emotions)]
        return keras.Model(inputs, 4 * ops.where(near, told, told[:, ::-1]))


def test_each_corpus_is_left_out_in_turn_and_then_some_speakers_of_each() -> None:
    knower = Knower()
    examples = examples_of([*some("one"), *some("other", 10), *some("third", 1)])
    across_corpora(knower, examples)
    speakers = [sorted({clip.speaker for clip in given.clips}) for given in knower.given]
    ones, others = [f"one/{n}" for n in range(4)], [f"other/{n}" for n in range(10)]
    some_others = [name for name in others if name not in ("other/0", "other/5")]
    assert speakers[:3] == [[*others, "third/0"], [*ones, "third/0"], [*ones, *others]]
    # A corpus of one speaker is trained on: without that speaker it would be one that was never heard.
    assert speakers[3:] == [[*ones[1:], *some_others, "third/0"]]


def test_models_calibrated_side_by_side_share_probes_and_no_answer_to_a_test_clip_counts() -> None:
    examples = examples_of([*some("one", 6), *some("other", 6)])
    folds = speaker_folds(examples.clips, 3)
    # With these labels, which must not count, the probes would be wrong about the test clips of the first fold.
    other = {"glad": "sad", "sad": "glad"}
    clips = [replace(c, emotion=other[c.emotion]) if i in folds[0].test else c for i, c in enumerate(examples.clips)]
    relabelled = Examples.of(replace(examples.data, clips=clips), examples.features)
    knowers, found = [], []
    for whole in (examples, relabelled):
        knowers.append(Knower())
        found.append(across_corpora(knowers[-1], whole.subset(folds[0].train), Probes(whole, folds[1])))
    speakers = [sorted({clip.speaker for clip in given.clips}) for given in knowers[0].given]
    ones, others = [f"one/{n}" for n in range(6)], [f"other/{n}" for n in range(6)]
    assert speakers == [others, ones, sorted({examples.clips[i].speaker for i in folds[1].train})]
    assert found[0].numbers.exponent == found[1].numbers.exponent
    assert found[0].numbers.temperatures.tolist() == found[1].numbers.temperatures.tolist()


def test_what_sounds_unlike_training_is_trusted_less() -> None:
    examples = examples_of([*some("one"), *some("other"), *some("third")])
    calibration = across_corpora(Knower(), examples)
    logits = np.array([[4, 0]], np.float32)
    known = np.asarray(calibration(logits, np.array([[[1, 0, 0, 0, 0]]], np.float32)))
    strange = np.asarray(calibration(logits, np.array([[[1, 0, 0, 40, 40]]], np.float32)))
    assert known[0, 0] > 4 > strange[0, 0] > 0


def test_clips_of_an_emotion_that_a_probe_cannot_tell_are_left_out() -> None:
    told = {"one": ("glad", "sad"), "other": ("glad", "calm")}
    clips = [*some("one"), *some("other", told=told["other"])]
    knower = Knower()
    across_corpora(knower, examples_of(clips, **told))
    assert [given.emotions for given in knower.given] == [("glad", "calm"), ("glad", "sad"), EMOTIONS]


def test_a_probe_learns_no_emotion_that_its_corpora_could_tell_but_have_no_clip_of() -> None:
    told = {"one": ("glad", "sad", "calm"), "other": ("glad", "sad", "calm")}
    clips = [*some("one"), *some("other", told=told["other"])]
    knower = Knower()
    across_corpora(knower, examples_of(clips, **told))
    assert [given.emotions for given in knower.given] == [EMOTIONS, ("glad", "sad"), EMOTIONS]


def test_corpora_of_one_speaker_each_are_left_out_alone() -> None:
    knower = Knower()
    across_corpora(knower, examples_of([*some("one", 1), *some("other", 1)]))
    assert [len(given.clips) for given in knower.given] == [20, 20]


def test_corpora_that_share_no_emotion_are_an_error() -> None:
    told = {"one": ("sad",), "other": ("calm",)}
    clips = [*some("one", told=("sad",)), *some("other", told=("calm",))]
    with pytest.raises(DataError, match="one, other share no emotion"):
        across_corpora(Knower(), examples_of(clips, **told))
