"""What a person does with the page: real Chromium, real gateway, real model."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.support import clips
from training_pipeline.data.synthetic import voice

LONG_MS = 60_000
DROP = """([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name));
  document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer: files, bubbles: true, cancelable: true }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
}"""


def drop(page: Page, data: bytes, name: str = "dropped.wav") -> None:
    page.evaluate(DROP, [base64.b64encode(data).decode(), name])


def expect_answer(page: Page) -> None:
    expect(page.locator("#result")).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#problem")).to_be_hidden()
    expect(page.locator("#verdict")).not_to_be_empty()


def expect_problem(page: Page, title: str) -> None:
    expect(page.locator("#problem-title")).to_have_text(title, timeout=LONG_MS)
    expect(page.locator("#problem-title")).to_be_focused()
    expect(page.locator("#problem-advice")).not_to_be_empty()
    expect(page.locator("#result")).to_be_hidden()


def ink(page: Page) -> int:
    """How many colours the picture has: a blank one has one."""
    return int(
        page.evaluate("""() => {
        const canvas = document.querySelector("#picture");
        const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        return new Set(new Uint32Array(data.buffer)).size;
    }""")
    )


def opacity(page: Page, share: float) -> int:
    """Of the spectrogram, at a share of its width: 0 to 255."""
    return int(
        page.evaluate(
            """(share) => {
        const canvas = document.querySelector("#picture");
        const [x, y] = [share * canvas.width, 0.9 * canvas.height];
        return canvas.getContext("2d").getImageData(x, y, 1, 1).data[3];
    }""",
            share,
        )
    )


def test_the_microphone_is_recorded_as_16_khz_wav_and_answered(page: Page) -> None:
    with page.expect_request(re.compile("predict")) as sent:
        page.get_by_role("button", name="Record").click()
        expect(page.locator("#clip-title")).to_contain_text("Recording, 2", timeout=LONG_MS)
        assert ink(page) > 20  # drawn while it is recorded
        page.get_by_role("button", name="Stop and listen").click()
    expect_answer(page)
    assert sent.value.url.endswith("predict?timeline=true")
    facts = page.locator("#facts")
    expect(facts).to_contain_text("16 kHz, mono")
    expect(facts).to_contain_text(re.compile(r"speech_emotion, version \d+ \(stable\)"))
    expect(facts).to_contain_text(re.compile(r"Time taken\d+ ms|Time taken[\d.]+ s"))
    probabilities = page.locator("#bars li")
    expect(probabilities).to_have_count(8)


def test_a_dropped_file_is_answered_and_plays(page: Page, clip: Path) -> None:
    drop(page, clip.read_bytes())
    expect_answer(page)
    expect(page.locator("#clip-title")).to_have_text("dropped.wav")
    expect(page.locator("#facts")).to_contain_text("3.0 s, 16 kHz, mono")
    assert ink(page) > 50
    assert opacity(page, 0.98) == 255
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#time")).to_have_text(re.compile(r"^[12]\.\d / 3\.0 s$"), timeout=LONG_MS)
    assert (opacity(page, 0.02), opacity(page, 0.98)) == (255, pytest.approx(77, abs=2))  # what is to come is faint


def test_each_side_of_a_call_can_be_chosen(page: Page) -> None:
    one = np.asarray(voice(3.0, 180.0, 0.04, seed=1))
    call = clips.encode(np.stack([one, 0 * one], axis=1))
    drop(page, call)
    expect_answer(page)
    expect(page.locator("#eyebrow")).to_contain_text("The clip")
    expect(page.get_by_role("button", name="Mixed")).to_have_attribute("aria-pressed", "true")
    with page.expect_request(re.compile("channels=separate")):
        page.get_by_role("button", name="Channel 2").click()
    expect(page.locator("#verdict")).to_have_text("no speech was heard", timeout=LONG_MS)
    expect(page.locator("#eyebrow")).to_have_text("In channel 2")
    expect(page.locator("#warnings")).to_contain_text("very quiet")
    page.get_by_role("button", name="Channel 1").click()
    expect(page.locator("#eyebrow")).to_contain_text("Channel 1")
    expect(page.locator("#bars li")).to_have_count(8)
    page.get_by_role("button", name="Mixed").click()
    expect(page.locator("#eyebrow")).to_contain_text("The clip")
    drop(page, clips.encode(one))
    expect(page.locator("#channels")).to_be_hidden()


def test_a_chosen_file_is_answered(page: Page, clip: Path) -> None:
    page.locator("#file").set_input_files(clip)
    expect_answer(page)
    expect(page.locator("#clip-title")).to_have_text("clip.wav")


def test_the_timeline_follows_what_plays(page: Page, two_phrases: bytes) -> None:
    drop(page, two_phrases)
    expect_answer(page)
    page.locator("#play").click()
    expect(page.locator("#audio")).to_have_js_property("paused", False)
    segments = page.locator("#timeline button")
    assert segments.count() > 1
    expect(segments.first).to_have_attribute("aria-current", "true")
    segments.last.click()
    expect(segments.last).to_have_attribute("aria-current", "true")
    expect(segments.first).not_to_have_attribute("aria-current", "true")
    expect(page.locator("#now")).to_contain_text("At ")


def test_everything_works_by_keyboard_alone(page: Page) -> None:
    examples = page.locator("#example-buttons button")
    expect(examples.first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the clip")).to_be_focused()
    for name in ("Record", "Listen live", "Choose files"):
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Tab")
    expect(examples.first).to_be_focused()
    page.keyboard.press("Enter")
    expect_answer(page)
    page.locator("#play").focus()
    if page.get_by_role("button", name="Pause").is_visible():
        page.keyboard.press("Space")
    expect(page.locator("#audio")).to_have_js_property("paused", True)
    page.keyboard.press("Tab")
    expect(page.locator("#seek")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#seek")).to_have_attribute("aria-valuetext", re.compile(r"^0\.\d s of \d\.\d s$"))
    page.locator("#record").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#clip-title")).to_contain_text("Recording, 1", timeout=LONG_MS)
    page.keyboard.press("Enter")
    expect_answer(page)
    expect(page.get_by_role("status").first).not_to_be_empty()


def test_silence_is_not_given_an_emotion(page: Page) -> None:
    drop(page, clips.encode(np.zeros(32_000)))
    expect(page.locator("#verdict")).to_have_text("no speech was heard", timeout=LONG_MS)
    expect(page.locator("#bars li")).to_have_count(0)


@pytest.mark.parametrize(
    ("data", "title"),
    [
        (b"not audio at all, only text", "This is not an audio file that can be read here"),
        (clips.tone(format="FLAC")[:100], "The file is damaged"),
        (bytes(17 * 1024 * 1024), "This is not an audio file that can be read here"),
    ],
    ids=["text", "cut off", "a large one"],
)
def test_a_bad_file_is_explained(page: Page, data: bytes, title: str) -> None:
    drop(page, data)
    expect_problem(page, title)


def test_a_service_that_is_away_is_explained_and_tried_again(page: Page, clip: Path) -> None:
    page.context.set_offline(True)
    drop(page, clip.read_bytes())
    expect_problem(page, "The service cannot be reached")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect_answer(page)


def test_a_busy_service_says_when_to_come_back(page: Page, clip: Path) -> None:
    busy = '{"code": "overloaded", "detail": "the model server is at capacity", "request_id": "r1"}'
    page.route(re.compile("predict"), lambda route: route.fulfill(
        status=503, body=busy, headers={"Retry-After": "2", "Content-Type": "application/problem+json"}
    ))  # fmt: skip
    drop(page, clip.read_bytes())
    expect_problem(page, "The service is busy")
    expect(page.locator("#problem-advice")).to_contain_text("2 s")
    expect(page.locator("#problem-detail")).to_contain_text("r1")


def test_a_refused_microphone_is_explained(page: Page) -> None:
    page.evaluate("""() => { navigator.mediaDevices.getUserMedia = async () => {
        throw new DOMException("Permission denied", "NotAllowedError"); }; }""")
    page.get_by_role("button", name="Record").click()
    expect_problem(page, "The microphone is not allowed")


HELD_MICROPHONE = """() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  Object.assign(window, { grants: [], streams: [] });
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    await new Promise((resolve) => window.grants.push(resolve));
    window.streams.push(await ask(wanted));
    return window.streams.at(-1);
  };
}"""
GRANT = "() => window.grants.splice(0).forEach((grant) => grant())"
LIVE_TRACKS = (
    "() => window.streams.flatMap((stream) => stream.getTracks()).filter((t) => t.readyState === 'live').length"
)
GRANTED = "(count) => window.streams.length === count"


def test_a_second_click_while_the_browser_asks_for_the_microphone_starts_no_second_recording(page: Page) -> None:
    page.evaluate(HELD_MICROPHONE)
    record = page.locator("#record")
    record.click()
    record.click()
    assert page.evaluate("() => window.grants.length") == 1
    page.evaluate(GRANT)
    expect(page.locator("#clip-title")).to_contain_text("Recording, 1", timeout=LONG_MS)
    assert page.evaluate(LIVE_TRACKS) == 1
    record.click()
    expect_answer(page)
    assert page.evaluate(LIVE_TRACKS) == 0


def test_a_microphone_that_is_granted_after_a_file_was_opened_is_let_go(page: Page, clip: Path) -> None:
    page.evaluate(HELD_MICROPHONE)
    page.locator("#record").click()
    drop(page, clip.read_bytes())
    expect_answer(page)
    page.evaluate(GRANT)
    page.wait_for_function(GRANTED, arg=1)
    page.wait_for_function(f"({LIVE_TRACKS})() === 0")
    expect_answer(page)
    expect(page.locator("#clip-title")).to_have_text("dropped.wav")
    expect(page.locator("#record-label")).to_have_text("Record")


def test_a_microphone_that_never_comes_is_explained_and_let_go_when_it_comes_after_all(page: Page) -> None:
    page.clock.install()
    page.evaluate(HELD_MICROPHONE)
    page.locator("#record").click()
    expect(page.locator("#status")).to_contain_text("Waiting for the microphone")
    page.clock.fast_forward(61_000)
    expect_problem(page, "The browser did not allow the microphone in time")
    page.evaluate(GRANT)
    page.wait_for_function(GRANTED, arg=1)
    page.wait_for_function(f"({LIVE_TRACKS})() === 0")


@pytest.mark.parametrize("other", ["file", "example"])
def test_another_clip_ends_a_recording(page: Page, clip: Path, other: str) -> None:
    page.evaluate(HELD_MICROPHONE)
    page.locator("#record").click()
    page.evaluate(GRANT)
    expect(page.locator("#clip-title")).to_contain_text("Recording, 1", timeout=LONG_MS)
    if other == "file":
        drop(page, clip.read_bytes())
    else:
        page.locator("#example-buttons button").first.click()
    expect_answer(page)
    page.wait_for_function(f"({LIVE_TRACKS})() === 0")
    expect(page.locator("#clip-title")).not_to_contain_text("Recording")


def test_of_two_files_the_last_is_answered(page: Page, clip: Path) -> None:
    page.evaluate("""() => {
        const decode = OfflineAudioContext.prototype.decodeAudioData;
        window.held = [];
        OfflineAudioContext.prototype.decodeAudioData = async function (data) {
          if (window.held.length === 0) await new Promise((resolve) => window.held.push(resolve));
          return decode.call(this, data);
        };
    }""")
    drop(page, clip.read_bytes(), "first.wav")
    page.wait_for_function("() => window.held.length === 1")
    drop(page, clip.read_bytes(), "second.wav")
    expect_answer(page)
    page.evaluate("() => window.held[0]()")
    page.wait_for_timeout(500)
    expect(page.locator("#clip-title")).to_have_text("second.wav")
