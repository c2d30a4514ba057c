"""The shipped models answer the recordings that ship with their emotion."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from speech_emotion.client import Client
from speech_emotion.samples import Sample, samples
from tests.support.gateway import Gateway


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_a_sample_gets_its_emotion_with_high_confidence(service: Gateway, sample: Sample) -> None:
    with Client(service.url) as client:
        answer = client.predict(sample.read())
        assert answer.emotion == sample.emotion
        assert answer.confidence > 0.95
        assert (answer.uncertain, answer.warnings) == (False, ())
        assert client.predict(sample.read(), model="edge").emotion == sample.emotion


def test_the_first_request_of_the_readme_gets_the_answer_printed_there(service: Gateway) -> None:
    root = Path(__file__).parents[2]
    text = (root / "README.md").read_text()
    command = shlex.split(re.findall(r"^curl .*", text, re.MULTILINE)[0])
    printed = json.loads(re.findall(r"```json\n(.*?)```", text, re.DOTALL)[0])
    clip = root / command[command.index("-F") + 1].removeprefix("file=@")
    answer = service.predict(clip.read_bytes()).json()
    assert list(answer) == list(printed)
    assert (answer["emotion"], answer["model"]) == (printed["emotion"], printed["model"])
    assert printed["probabilities"] == pytest.approx(answer["probabilities"], abs=0.001)
