"""Long recordings on the page: answered while they are heard, scrolled, zoomed, played by segment, kept."""

from __future__ import annotations

import json
import re

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from playwright.sync_api import Page, Route, expect

from speech_emotion.samples import FOLDER
from tests.browser.test_extras import downloaded
from tests.browser.test_page import LONG_MS, drop, expect_answer, expect_problem
from tests.support import clips
from tests.support.gateway import Gateway


@pytest.fixture(scope="module")
def speech() -> npt.NDArray[np.float64]:
    """Actors who speak angrily, then calmly, for 72 seconds at 16 kHz."""
    spoken = [soundfile.read(FOLDER / f"{emotion}.flac")[0] for emotion in ("angry", "calm")]
    return np.concatenate([np.resize(samples, 36 * clips.RATE) for samples in spoken])


@pytest.fixture(scope="module")
def call(speech: npt.NDArray[np.float64]) -> bytes:
    return clips.encode(speech)


def test_a_long_recording_is_answered_in_segments_that_can_be_played(page: Page, call: bytes) -> None:
    with page.expect_request(re.compile("/v1/recordings$")):
        drop(page, call, "call.wav")
    expect_answer(page)
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#cancel")).to_be_hidden()
    expect(page.locator("#facts")).to_contain_text("1 min 12 s, 16 kHz, mono")
    expect(page.locator("#bars-title")).to_contain_text("Share of the time")
    segments = page.locator("#track button")
    assert 2 <= segments.count() <= 40
    expect(segments.first).to_contain_text("angry")
    expect(segments.last).to_contain_text("calm")
    segments.last.click()
    expect(page.locator("#audio")).to_have_js_property("paused", False)
    expect(segments.last).to_have_attribute("aria-current", "true")
    expect(segments.first).not_to_have_attribute("aria-current", "true")


def test_the_timeline_zooms_scrolls_and_is_walked_by_arrows(page: Page, call: bytes) -> None:
    drop(page, call)
    expect_answer(page)
    width = "document.querySelector('#scroll').scrollWidth / document.querySelector('#scroll').clientWidth"
    assert page.evaluate(width) == pytest.approx(1, abs=0.01)
    expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    assert page.evaluate(width) == pytest.approx(4, abs=0.05)
    segments = page.locator("#track button")
    segments.first.focus()
    page.keyboard.press("ArrowRight")
    expect(segments.nth(1)).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(segments.first).to_be_focused()
    assert page.locator("#track button[tabindex='0']").count() == 1
    page.locator("#seek").fill("70")
    page.wait_for_function("() => document.querySelector('#scroll').scrollLeft > 0")


def test_captions_of_a_long_recording_are_its_segments(page: Page, call: bytes) -> None:
    drop(page, call, "call.wav")
    expect_answer(page)
    name, text = downloaded(page, "VTT")
    assert name == "call.vtt"
    assert text.count(" --> ") == page.locator("#track button").count()
    assert "angry" in text
    _, table = downloaded(page, "CSV")
    assert len(table.splitlines()) > text.count(" --> ")
    expect(page.locator("#clips .name")).to_have_text("call.wav")
    page.locator("#example-buttons button").first.click()
    expect(page.locator("#clips button")).to_have_count(2, timeout=LONG_MS)
    expect(page.locator("#long")).to_be_hidden()
    page.locator("#clips button").nth(1).click()
    expect(page.locator("#track button").first).to_be_visible()
    expect(page.locator("#clip-title")).to_have_text("call.wav")


def test_each_side_of_a_long_call_is_answered_for_itself(page: Page, speech: npt.NDArray[np.float64]) -> None:
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Channels").select_option("separate")
    drop(page, clips.encode(np.stack([speech, 0 * speech], axis=1)))
    expect_answer(page)
    expect(page.locator("#eyebrow")).to_contain_text("Channel 1")
    page.get_by_role("button", name="Channel 2").click()
    expect(page.locator("#verdict")).to_have_text("no speech was heard")
    expect(page.locator("#track button").first).to_contain_text("channel 1")


WINDOW = {"start_s": 0, "end_s": 4, "emotion": "sad", "confidence": 0.9, "probabilities": {"sad": 0.9, "happy": 0.1}}
LINES = "".join(
    json.dumps(line) + "\n"
    for line in ({"type": "window", **WINDOW, "uncertain": False}, {"type": "progress", "heard_s": 30.0})
)


def test_an_error_in_the_middle_is_told_and_what_was_heard_stays(page: Page, call: bytes) -> None:
    problem = (
        '{"type":"problem","code":"corrupt_audio","detail":"The file ends early","request_id":"r7","status":422}\n'
    )
    page.route(re.compile("recordings"), lambda route: route.fulfill(body=LINES + problem))
    drop(page, call)
    expect_problem(page, "The file is damaged")
    expect(page.locator("#problem-detail")).to_contain_text("r7")
    expect(page.locator("#track button")).to_have_count(1)
    expect(page.locator("#progress")).to_be_hidden()


@pytest.mark.parametrize(
    ("body", "title"), [(LINES, "The service cannot be reached"), ("<html>", "Something else answered")]
)
def test_an_answer_that_breaks_off_or_is_none_is_told(page: Page, call: bytes, body: str, title: str) -> None:
    page.route(re.compile("recordings"), lambda route: route.fulfill(body=body + "\n"))
    drop(page, call)
    expect_problem(page, title)


def test_a_long_recording_can_be_cancelled(page: Page, call: bytes) -> None:
    page.route(re.compile("recordings"), lambda _route: None)  # no answer ever comes
    drop(page, call)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#status")).to_have_text("Cancelled.")
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_a_file_that_the_browser_cannot_read_is_heard_as_long_once_the_service_says_so(
    page: Page, speech: npt.NDArray[np.float64]
) -> None:
    with page.expect_request(re.compile("/v1/recordings$")):
        drop(page, clips.encode(speech, format="AIFF"), "call.aiff")
    expect_answer(page)
    expect(page.locator("#transport")).to_be_hidden()
    expect(page.locator("#track button").first).to_contain_text("angry")


@pytest.mark.parametrize(
    ("limit", "title"),
    [("max-recording-s", "The clip is too long"), ("max-recording-bytes", "The file is too large")],
)
def test_what_is_beyond_the_service_s_limits_is_not_sent(
    page: Page, service: Gateway, call: bytes, limit: str, title: str
) -> None:
    def lower(route: Route) -> None:
        page_as_served = route.fetch()
        told = re.sub(rf'(name="{limit}" content=")[\d.]+', r"\g<1>65", page_as_served.text())
        route.fulfill(response=page_as_served, body=told)

    page.route(f"{service.url}/", lower)
    page.goto(service.url)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.method))
    drop(page, call)
    expect_problem(page, title)
    assert "POST" not in asked
