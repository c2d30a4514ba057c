"""What a person does with a page that lies below a path; everything that the page asks for must lie there too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, expect

from speech_emotion.samples import FOLDER, samples
from tests.browser.test_docs import answer_of, open_operation
from tests.browser.test_live import listen
from tests.browser.test_page import LONG_MS, expect_answer


@contextmanager
def watched_tab(browser: Browser, url: str) -> Iterator[Page]:
    """A tab that complains at its end of an error on its console, or of a request for what is not below `url`."""
    context = browser.new_context(permissions=["microphone"])
    page = context.new_page()
    complaints: list[str] = []
    places = (f"{url}/", f"ws{url.removeprefix('http')}/", "blob:", "data:")

    def watch(asked: str) -> None:
        if not asked.startswith(places) and asked != url:
            complaints.append(asked)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda asked: watch(asked.url))
    page.on("websocket", lambda socket: watch(socket.url))
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def use_the_page(page: Page, url: str, end: str = "") -> None:
    """Open it at `url` and `end`, listen to an example, and follow the links."""
    page.goto(f"{url}{end}")
    expect(page).to_have_url(f"{url}/")
    expect(page.locator("#link")).to_have_value(f"{url}/")
    page.locator("#example-buttons").get_by_role("button", name="angry").click()
    expect(page.locator("#verdict")).to_have_text("angry", timeout=LONG_MS)
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{url}/#clip")
    expect(page.locator("#verdict")).to_have_text("angry")  # the page was not loaded anew
    page.get_by_role("link", name="The model's card").click()
    expect(page.locator("h1")).to_contain_text("Model card")
    page.get_by_role("link", name="Back to the page").click()
    expect(page).to_have_url(f"{url}/")


def listen_live(page: Page, url: str) -> None:
    """Open the page and speak into its microphone."""
    page.goto(url)
    with page.expect_websocket() as opening:
        listen(page)
    assert opening.value.url == f"ws{url.removeprefix('http')}/v1/stream"
    page.wait_for_function("() => document.querySelectorAll('#times span').length >= 5", timeout=LONG_MS)
    page.get_by_role("button", name="Stop listening").click()
    expect_answer(page)


def try_the_docs(page: Page, url: str) -> None:
    """Send a clip from `/docs`."""
    page.goto(f"{url}/docs")
    open_operation(page, "predict")
    page.locator(".opblock.is-open input[type=file]").set_input_files(FOLDER / samples()[0].file)
    assert answer_of(page, "predict")["emotion"] == samples()[0].emotion
