"""Recordings keep their emotion beside loud sounds, in stereo that cancels and on their side of a call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from speech_emotion.client import Answer, Client
from tests.support import clips
from tests.support.gateway import Gateway

Array = npt.NDArray[np.floating[Any]]
RATE = 16_000
QUIET = 10 ** (-35 / 20)
RECORDINGS = ("03-01-02-01-01-01-08", "03-01-03-02-01-01-08")
"""Calm and happy, which version 2 was trained on: what surrounds them must not change its answer."""
TIME = np.arange(2 * RATE) / RATE
KNOCK = 0.7 * np.random.default_rng(0).normal(size=RATE).clip(-1, 1) * 10 ** (-3 * TIME[:RATE] / 0.3)
DIAL_TONE = 0.25 * (np.sin(2 * np.pi * 350 * TIME) + np.sin(2 * np.pi * 440 * TIME))
MADE: dict[str, Callable[[Array], Array]] = {
    "a knock before it": lambda quiet: np.concatenate([KNOCK, quiet]),
    "a dial tone before it": lambda quiet: np.concatenate([DIAL_TONE, quiet]),
    "right is left upside down": lambda quiet: np.stack([quiet, -quiet], axis=1),
}


def read(folder: Path, name: str) -> Array:
    """Quiet: its peak is at -35 dBFS."""
    samples = np.asarray(soundfile.read(next(folder.glob(f"**/{name}.*")))[0])
    return QUIET * samples / np.abs(samples).max()


def ask(service: Gateway, samples: Array, **options: Any) -> Answer:
    with Client(service.url) as client:
        return client.predict(clips.encode(samples), **options)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("name", RECORDINGS)
def test_a_quiet_recording_keeps_its_emotion(service: Gateway, ravdess_dir: Path, name: str, kind: str) -> None:
    quiet = read(ravdess_dir, name)
    alone = ask(service, quiet)
    assert alone.emotion == {"02": "calm", "03": "happy"}[name.split("-")[2]]
    assert ask(service, MADE[kind](quiet)).emotion == alone.emotion


def test_each_side_of_a_call_keeps_its_emotion(service: Gateway, ravdess_dir: Path) -> None:
    calm, happy = (read(ravdess_dir, name) for name in RECORDINGS)
    length = max(calm.size, happy.size)
    call = np.stack([np.pad(calm, (0, length - calm.size)), np.resize(happy, length) / QUIET / 2], axis=1)
    answer = ask(service, call, channels="separate")
    assert [channel.emotion for channel in answer.channels] == ["calm", "happy"]
    assert (answer.emotion, answer.reason) == (None, "separate_channels")
