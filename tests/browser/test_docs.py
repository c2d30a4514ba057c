"""`/docs` in real Chromium: Swagger UI opens under the strict policy, asks nobody else, and sends a clip."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from speech_emotion.samples import FOLDER, samples
from tests.support.gateway import Gateway

LONG_MS = 60_000
PREFIX = "/team/speech"


@pytest.fixture
def opened(browser: Browser, service: Gateway) -> Iterator[Page]:
    """A tab; fails the test at an error on the console, a script's exception, or a request to another host."""
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda asked: None if asked.url.startswith(service.url) else complaints.append(asked.url))
    yield page
    context.close()
    assert complaints == []


def open_operation(page: Page, name: str) -> None:
    """Unfold an operation and begin to try it."""
    operation = page.locator(f"[id$='-{name}'].opblock")
    operation.locator(".opblock-summary-control").click(timeout=LONG_MS)
    operation.get_by_role("button", name="Try it out").click()


def answer_of(page: Page, name: str) -> dict[str, object]:
    """What is shown of the service's answer, once it is there."""
    page.locator(f"[id$='-{name}'].opblock").get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table tbody .response-col_status").first).to_contain_text(
        "200", timeout=LONG_MS
    )
    shown: dict[str, object] = json.loads(page.locator(".live-responses-table .microlight").first.inner_text())
    return shown


def test_try_it_uploads_a_sample_and_shows_its_emotion(opened: Page, service: Gateway) -> None:
    opened.goto(f"{service.url}/docs")
    open_operation(opened, "predict")
    opened.locator(".opblock.is-open input[type=file]").set_input_files(FOLDER / samples()[0].file)
    assert answer_of(opened, "predict")["emotion"] == samples()[0].emotion


def test_markdown_is_rendered(opened: Page, service: Gateway) -> None:
    opened.goto(f"{service.url}/docs")
    open_operation(opened, "predict")
    limits = opened.locator(".opblock.is-open .opblock-description")
    expect(limits.locator("li code").first).to_have_text("GATEWAY_MAX_BODY_BYTES")
    assert "`" not in opened.locator("body").inner_text()


def test_a_problems_type_scrolls_to_its_error(opened: Page, service: Gateway) -> None:
    opened.goto(f"{service.url}/docs#unsupported_format")
    expect(opened.locator(".opblock").first).to_be_visible(timeout=LONG_MS)
    expect(opened.locator("#unsupported_format")).to_be_in_viewport()


def test_behind_a_path_everything_is_asked_for_below_it(opened: Page, service: Gateway) -> None:
    def strip(route: Route) -> None:
        route.fulfill(response=route.fetch(url=route.request.url.replace(PREFIX, "", 1)))

    def refuse(route: Route) -> None:
        route.abort()  # which is an error on the console

    opened.route(f"{service.url}/**", refuse)
    opened.route(f"{service.url}{PREFIX}/**", strip)
    opened.goto(f"{service.url}{PREFIX}/docs")
    open_operation(opened, "models")
    assert "models" in answer_of(opened, "models")
