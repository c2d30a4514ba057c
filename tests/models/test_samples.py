"""The shipped models answer the recordings that ship with their emotion."""

from __future__ import annotations

import pytest

from speech_emotion.client import Client
from speech_emotion.samples import Sample, samples
from tests.support.gateway import Gateway


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_a_sample_gets_its_emotion_with_high_confidence(service: Gateway, sample: Sample) -> None:
    with Client(service.url) as client:
        answer = client.predict(sample.read())
        assert answer.emotion == sample.emotion
        assert answer.confidence > 0.9
        assert (answer.uncertain, answer.warnings) == (False, ())
        assert client.predict(sample.read(), model="edge").emotion == sample.emotion
