from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training_pipeline.errors import DataError
from training_pipeline.networks.registry import find
from training_pipeline.training.examples import Examples
from training_pipeline.training.train import train


def test_training_twice_gives_the_same_probabilities(examples: Examples) -> None:
    one, two = (train(find("mlp"), examples, seed=3).predict(examples.features) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_a_trial_is_fitted_once_and_not_calibrated(examples: Examples) -> None:
    fitted = []

    def fit(*arguments: Any, **options: Any) -> Any:
        fitted.append(arguments)
        return find("mlp").fit(*arguments, **options)

    assert train(replace(find("mlp"), fit=fit, calibrated=False), examples, seed=0).temperature == 1
    assert len(fitted) == 1


def test_an_emotion_of_the_first_speakers_alone_is_calibrated_on_others(examples: Examples) -> None:
    first, *rest = sorted({clip.speaker for clip in examples.clips})
    assert len(rest) > 1
    emotion = examples.emotions[0]
    kept = [i for i, clip in enumerate(examples.clips) if clip.emotion != emotion or clip.speaker == first]
    trained = train(find("mlp"), examples.subset(np.array(kept)), seed=0)
    assert np.isfinite(trained.predict(examples.features)).all()


def test_where_each_speaker_alone_has_an_emotion_clips_are_held_out(
    examples: Examples, caplog: pytest.LogCaptureFixture
) -> None:
    own = dict(zip(sorted({clip.speaker for clip in examples.clips}), examples.emotions, strict=False))
    kept = [i for i, clip in enumerate(examples.clips) if own.get(clip.speaker) == clip.emotion]
    part = examples.subset(np.array(kept))
    part = Examples.of(replace(part.data, emotions=tuple(own.values())), part.features)
    assert train(find("mlp"), part, seed=0).temperature > 0
    assert "the probabilities hold for these speakers" in caplog.text


def test_an_emotion_without_a_clip_is_named(examples: Examples) -> None:
    missing = examples.emotions[1]
    kept = [i for i, clip in enumerate(examples.clips) if clip.emotion != missing]
    with pytest.raises(DataError, match=f"mlp learns from clips of every emotion; there is none of {missing}"):
        train(find("mlp"), examples.subset(np.array(kept)), seed=0)


@pytest.mark.filterwarnings("ignore:You are using a softmax")  # Keras doubts that one class is meant
@pytest.mark.parametrize("name", ["mlp", "ann"])
def test_clips_of_one_emotion_train_a_model_that_always_answers_it(examples: Examples, name: str) -> None:
    emotion = examples.emotions[0]
    own = examples.subset(np.array([i for i, clip in enumerate(examples.clips) if clip.emotion == emotion]))
    own = Examples.of(replace(own.data, emotions=(emotion,)), own.features)
    np.testing.assert_array_equal(train(find(name), own, seed=0).predict(own.features), np.ones((len(own.clips), 1)))
