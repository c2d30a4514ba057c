"""A recording keeps its emotion whatever format it is sent in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support import sent
from tests.support.gateway import Gateway

SURE = {"03-01-03-01-01-01-12": "happy", "03-01-06-01-01-01-12": "fearful", "03-01-08-01-01-01-11": "surprised"}
"""Originals of RAVDESS that the model that ships is sure of, so that a codec's noise decides nothing."""


@pytest.fixture(scope="module")
def recordings(originals_dir: Path) -> dict[str, tuple[np.ndarray, int]]:
    """`[channels, samples]` and Hz by emotion."""
    read = {emotion: soundfile.read(originals_dir / f"{name}.wav", always_2d=True) for name, emotion in SURE.items()}
    return {emotion: (samples.T, rate) for emotion, (samples, rate) in read.items()}


@pytest.mark.parametrize("form", sent.FORMS)
def test_an_emotion_survives(service: Gateway, recordings: dict[str, tuple[np.ndarray, int]], form: str) -> None:
    for emotion, (samples, rate) in recordings.items():
        answer = service.predict(sent.write(form, samples, rate)).json()
        assert answer["emotion"] == emotion, answer
        assert answer["warnings"] in ([], ["low_sample_rate"])
        assert answer["audio"]["duration_s"] == pytest.approx(samples.shape[1] / rate, abs=0.1)
