"""Page and docs below a path, in real Chromium: behind an nginx that keeps the path, and one that takes it off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.published import listen_live, try_the_docs, use_the_page, watched_tab


@pytest.fixture
def opened(browser: Browser, below_a_path: str) -> Iterator[Page]:
    with watched_tab(browser, below_a_path) as page:
        yield page


@pytest.mark.parametrize("end", ["", "/"])
def test_the_page_answers_an_example_and_its_links_stay_below_the_path(
    opened: Page, below_a_path: str, end: str
) -> None:
    use_the_page(opened, below_a_path, end)


def test_the_page_opens_a_live_stream(opened: Page, below_a_path: str) -> None:
    listen_live(opened, below_a_path)


def test_the_docs_send_a_clip(opened: Page, below_a_path: str) -> None:
    try_the_docs(opened, below_a_path)
