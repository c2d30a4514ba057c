"""The page in Firefox: files, and recording with and without an output of sound."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.firefox import FIREFOX, FirefoxPage, firefox
from tests.support.gateway import Gateway

PULSEAUDIO = shutil.which("pulseaudio")
NO_OUTPUT = {"PULSE_SERVER": "unix:/nonexistent", "PULSE_CLIENTCONFIG": "/dev/null"}


@pytest.fixture(scope="module")
def tab() -> Iterator[FirefoxPage]:
    """A Firefox of a machine without any output of sound."""
    if FIREFOX is None:
        pytest.skip("no Firefox: install Debian's package `firefox-esr`, or set FIREFOX to the program")
    with firefox(NO_OUTPUT) as running:
        yield running


@pytest.fixture
def page(tab: FirefoxPage, service: Gateway) -> Iterator[FirefoxPage]:
    """The page, opened; fails the test if it breaks its own policy or a script throws."""
    tab.errors.clear()
    tab.goto(service.url)
    yield tab
    assert tab.errors == []


def expect_answer(page: FirefoxPage) -> None:
    page.wait_for_text("#verdict", r"\w")
    assert page.text("#problem") == ""


def test_a_file_is_answered_drawn_and_played(page: FirefoxPage, clip: Path) -> None:
    page.choose_file("#file", clip)
    expect_answer(page)
    assert page.text("#clip-title") == "clip.wav"
    assert page.evaluate("document.querySelectorAll('#bars li').length") == 8
    assert page.evaluate("document.querySelector('#picture').checkVisibility()")
    page.click("#timeline button")
    assert page.evaluate("document.querySelector('#timeline button').getAttribute('aria-current')") == "true"


def test_a_recording_needs_no_output_of_sound_and_the_page_says_why_it_is_not_drawn(page: FirefoxPage) -> None:
    page.click("#record")
    page.wait_for_text("#status", "no sound output")
    page.wait_for_text("#clip-title", r"Recording, [1-9]")
    assert not page.evaluate("document.querySelector('#picture').checkVisibility()")
    page.click("#record")
    expect_answer(page)
    assert "16 kHz, mono" in page.text("#facts")
    assert page.evaluate("document.querySelector('#picture').checkVisibility()")


@pytest.fixture
def null_sink(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What to add to a program's environment, so that its sound goes nowhere."""
    if PULSEAUDIO is None:
        pytest.skip("no PulseAudio: install Debian's package `pulseaudio`")
    socket = tmp_path / "socket"
    protocol = f"module-native-protocol-unix socket={socket} auth-anonymous=1 auth-cookie-enabled=0"
    # -n: nothing of the machine's own configuration, so no sound card and no bus.
    command = [PULSEAUDIO, "-n", "--daemonize=no", "--load=module-null-sink", f"--load={protocol}"]
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 20
        while not socket.exists():
            assert process.poll() is None, "PulseAudio ended"
            assert time.monotonic() < deadline, "PulseAudio never listened"
            time.sleep(0.05)
        yield {"PULSE_SERVER": f"unix:{socket}"}
        process.terminate()


def test_with_an_output_the_recording_is_drawn_while_it_goes_on(null_sink: dict[str, str], service: Gateway) -> None:
    if FIREFOX is None:
        pytest.skip("no Firefox: install Debian's package `firefox-esr`, or set FIREFOX to the program")
    with firefox(null_sink) as page:
        page.goto(service.url)
        page.click("#record")
        page.wait_for_text("#clip-title", r"Recording, [1-9]")
        assert page.evaluate("document.querySelector('#picture').checkVisibility()")
        page.click("#record")
        expect_answer(page)
