"""What is learnt of clips whose corpora tell different emotions, and of listeners' votes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from speech_emotion.features import SEED_SPEC
from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import Corpus, DataSet
from training_pipeline.networks.network import Network
from training_pipeline.training.examples import Examples
from training_pipeline.training.shares import balance, has_shares, shares
from training_pipeline.training.train import train

ONE, OTHER = Corpus("one", ("glad", "sad")), Corpus("other", ("glad", "calm"))
EMOTIONS = ("glad", "sad", "calm")


def clip(emotion: str, speaker: str, votes: tuple[tuple[str, float], ...] = ()) -> Clip:
    return Clip(Path("a.wav"), emotion, speaker, corpus=speaker.partition("/")[0], votes=votes)


def test_what_a_corpus_cannot_tell_stays_open() -> None:
    data = DataSet([clip("glad", "one/1"), clip("calm", "other/1")], EMOTIONS, corpora=(ONE, OTHER))
    assert shares(data).tolist() == [[1, 0, -1], [0, -1, 1]]


def test_votes_are_half_of_what_a_clip_teaches() -> None:
    data = DataSet([clip("glad", "one/1", (("glad", 1.0), ("sad", 3.0)))], ("glad", "sad"), corpora=(ONE,))
    assert shares(data).tolist() == [[0.5 + 0.125, 0.375]]
    assert has_shares(data)
    assert not has_shares(DataSet([clip("glad", "1")], EMOTIONS))


@pytest.mark.parametrize("votes", [(("bored", 3.0),), (("sad", 0.0),), (("bored", 0.0), ("sad", 0.0))])
def test_votes_for_nothing_that_a_model_tells_leave_the_label_whole(votes: tuple[tuple[str, float], ...]) -> None:
    assert shares(DataSet([clip("glad", "1", votes)], ("glad", "sad"))).tolist() == [[1, 0]]
    mixed = clip("glad", "1", (*votes, ("glad", 1.0)))
    assert shares(DataSet([mixed], ("glad", "sad"))).tolist() == [[1, 0]]


def test_corpora_and_their_speakers_count_alike() -> None:
    clips = [clip("glad", "one/1")] * 6 + [clip("sad", "one/2")] * 2 + [clip("calm", "other/1")] * 4
    weights = balance(DataSet(clips, EMOTIONS, corpora=(ONE, OTHER)))
    sums = [weights[part].sum() for part in (slice(0, 6), slice(6, 8), slice(8, 12))]
    np.testing.assert_allclose(sums, [3, 3, 6])
    np.testing.assert_allclose(balance(DataSet(clips, EMOTIONS)), 1)


class Recorder:
    """A network that keeps what it was given and answers each window's first value as the logit of its class."""

    def __init__(self) -> None:
        self.given: list[tuple[np.ndarray, np.ndarray, int]] = []

    def __call__(self, x: np.ndarray, y: np.ndarray, classes: int, *_: object) -> keras.Model:
        self.given.append((x, y, classes))
        inputs = keras.Input(x.shape[1:])
        return keras.Model(inputs, keras.layers.Flatten()(inputs)[:, :classes])


@pytest.fixture
def examples() -> Callable[..., Examples]:
    def make(*clips: Clip, corpora: tuple[Corpus, ...] = (ONE, OTHER)) -> Examples:
        data = DataSet(clips, EMOTIONS, corpora=corpora)
        features = [np.zeros((1, 1, 4), np.float32) for _ in clips]
        for feature, own in zip(features, clips, strict=True):
            feature[0, 0, EMOTIONS.index(own.emotion)] = 1
        return Examples.of(data, features)

    return make


CLIPS = [clip(e, s) for s in ("one/1", "one/2") for e in ("glad", "sad")]
CLIPS += [clip(e, s) for s in ("other/1", "other/2") for e in ("glad", "calm")]


def test_a_network_that_takes_no_shares_is_told_labels_alone(
    examples: Callable[..., Examples], caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    with caplog.at_level(logging.WARNING):
        train(Network("plain", SEED_SPEC, recorder, calibrated=False), examples(*CLIPS), 0)
    assert recorder.given[0][1].tolist() == [0, 1, 0, 1, 0, 2, 0, 2]
    assert "plain learns from labels alone" in caplog.text


def test_examples_keep_their_corpora_and_votes_in_a_folder(examples: Callable[..., Examples], tmp_path: Path) -> None:
    voted = replace(CLIPS[0], votes=(("glad", 2.0), ("sad", 1.5)), age=30)
    made = examples(voted, *CLIPS[1:])
    made.save(tmp_path, "digest")
    read = Examples.load(tmp_path)
    assert (read.data.corpora, list(read.clips)) == (made.data.corpora, list(made.clips))
    np.testing.assert_array_equal(shares(read.data), shares(made.data))
