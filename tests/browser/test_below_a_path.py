"""Page and docs below a path, in real Chromium: behind an nginx that keeps the path, and one that takes it off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from speech_emotion.samples import FOLDER, samples
from tests.browser.test_docs import answer_of, open_operation
from tests.browser.test_live import listen
from tests.browser.test_page import LONG_MS, expect_answer


@pytest.fixture
def opened(browser: Browser, below_a_path: str) -> Iterator[Page]:
    """A tab; fails the test at an error on the console, or at a request to anything that is not below the path."""
    context = browser.new_context(permissions=["microphone"])
    page = context.new_page()
    complaints: list[str] = []
    places = (f"{below_a_path}/", f"ws{below_a_path.removeprefix('http')}/", "blob:", "data:")

    def elsewhere(url: str) -> None:
        if not url.startswith(places) and url != below_a_path:
            complaints.append(url)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda asked: elsewhere(asked.url))
    page.on("websocket", lambda socket: elsewhere(socket.url))
    yield page
    context.close()
    assert complaints == []


@pytest.mark.parametrize("end", ["", "/"])
def test_the_page_answers_an_example_and_its_links_stay_below_the_path(
    opened: Page, below_a_path: str, end: str
) -> None:
    opened.goto(f"{below_a_path}{end}")
    expect(opened).to_have_url(f"{below_a_path}/")
    expect(opened.locator("#link")).to_have_value(f"{below_a_path}/")
    example = opened.locator("#example-buttons").get_by_role("button", name="angry")
    example.click()
    expect(opened.locator("#verdict")).to_have_text("angry", timeout=LONG_MS)
    opened.locator("a.skip").focus()
    opened.keyboard.press("Enter")
    expect(opened).to_have_url(f"{below_a_path}/#clip")
    expect(opened.locator("#verdict")).to_have_text("angry")  # the page was not loaded anew
    opened.get_by_role("link", name="The model's card").click()
    expect(opened.locator("h1")).to_contain_text("Model card")
    opened.get_by_role("link", name="Back to the page").click()
    expect(opened).to_have_url(f"{below_a_path}/")


def test_the_page_opens_a_live_stream(opened: Page, below_a_path: str) -> None:
    opened.goto(below_a_path)
    with opened.expect_websocket() as opening:
        listen(opened)
    assert opening.value.url == f"ws{below_a_path.removeprefix('http')}/v1/stream"
    opened.wait_for_function("() => document.querySelectorAll('#times span').length >= 5", timeout=LONG_MS)
    opened.get_by_role("button", name="Stop listening").click()
    expect_answer(opened)


def test_the_docs_send_a_clip(opened: Page, below_a_path: str) -> None:
    opened.goto(f"{below_a_path}/docs")
    open_operation(opened, "predict")
    opened.locator(".opblock.is-open input[type=file]").set_input_files(FOLDER / samples()[0].file)
    assert answer_of(opened, "predict")["emotion"] == samples()[0].emotion
