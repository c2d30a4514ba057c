"""The detector of speech, on an encoder made up by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from speech_emotion.features import WHISPER_SPEC, extract
from tests.training_pipeline.networks.made_up import RECIPE, made_up
from training_pipeline.data.not_speech import windows_without_speech
from training_pipeline.data.synthetic import RATE, voice
from training_pipeline.networks.pretrained.encoder import build_encoder
from training_pipeline.networks.pretrained.model import build_head, build_model, state_behind
from training_pipeline.networks.pretrained.speech import with_detector
from training_pipeline.networks.pretrained.statistics import frozen_statistics

VOICES = [(90 + 12 * n, 0.01 + 0.004 * n) for n in range(20)]


@pytest.fixture(scope="module")
def windows() -> tuple[np.ndarray, np.ndarray]:
    """Windows that sound like voices, and of sounds that do not."""
    voices = [extract(voice(3.0, pitch, vibrato, n), WHISPER_SPEC)[0] for n, (pitch, vibrato) in enumerate(VOICES)]
    assert WHISPER_SPEC.sample_rate == RATE
    return np.stack(voices), windows_without_speech(80, WHISPER_SPEC)


def test_what_is_not_speech_is_given_every_class_alike_and_speech_keeps_its_answer(windows) -> None:
    weights = made_up()
    states = np.stack([np.zeros((3, 384)), np.ones((3, 384))], axis=1)
    model = build_model(weights, build_head(RECIPE, 3), RECIPE, states)
    encoder = build_encoder(weights, RECIPE.frozen_blocks)
    speech, sounds = (frozen_statistics(encoder, x[::2], 0, 40, None)[:, :, -1] for x in windows)
    detecting = with_detector(model, state_behind(model, RECIPE.frozen_blocks), speech, speech[:, 0], sounds)
    unheard = windows[0][1::2], windows[1][1::2]
    shares = [np.asarray(detecting(x))[:, 0] / np.asarray(model(x))[:, 0] for x in unheard]
    assert np.median(shares[0]) > 0.9
    assert np.median(shares[1]) < 0.1
    assert detecting.count_params() == model.count_params() + 2 * 384 + 1
