from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Browser, Page

from speech_emotion.samples import FOLDER
from tests.support import clips
from tests.support.browser import CHROMIUM, chromium
from tests.support.gateway import Gateway
from training_pipeline.data.synthetic import voice, write_sample


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic clip."""
    path = tmp_path_factory.mktemp("clip") / "clip.wav"
    write_sample(path)
    return path


@pytest.fixture(scope="session")
def two_phrases() -> bytes:
    """Twelve seconds of a buzz in two voices: a clip of several windows."""
    return clips.encode(np.concatenate([voice(5.5, 115.0, 0.01, seed=1), voice(6.5, 240.0, 0.06, seed=2)]))


@pytest.fixture(scope="session")
def angry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An actor who speaks angrily, which is what the microphone hears."""
    samples, rate = soundfile.read(FOLDER / "angry.flac", dtype="int16")
    path = tmp_path_factory.mktemp("microphone") / "angry.wav"
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture(scope="package")
def browser(angry: Path) -> Iterator[Browser]:
    """Not for the session: while playwright runs, no other event loop can start in this thread."""
    if CHROMIUM is None:
        pytest.skip("no Chromium: install Debian's package `chromium`, or set CHROMIUM to the program")
    with chromium(angry) as running:
        yield running


@pytest.fixture
def page(browser: Browser, service: Gateway) -> Iterator[Page]:
    """The page, opened; fails the test if it breaks its own policy or a script throws."""
    context = browser.new_context(permissions=["microphone"])
    opened = context.new_page()
    complaints: list[str] = []

    def strangers(url: str) -> None:
        if not url.startswith((service.url, "blob:")):
            complaints.append(url)

    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("console", lambda said: complaints.append(said.text) if "Content Security Policy" in said.text else None)
    opened.on("request", lambda asked: strangers(asked.url))
    opened.goto(service.url)
    yield opened
    context.close()
    assert complaints == []
