"""axe-core over every state of the page, in light, dark and phone width: nothing serious, nothing critical."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_long import LINES
from tests.browser.test_page import drop, expect_answer, expect_problem
from tests.support import clips
from tests.support.gateway import Gateway

AXE = Path(__file__).parent.parent.parent / "node_modules" / "axe-core" / "axe.min.js"
FITS = "document.documentElement.scrollWidth <= window.innerWidth"
LOOKS = {"light": ("light", 1000), "dark": ("dark", 1000), "phone": ("light", 360)}


@pytest.mark.parametrize("look", LOOKS)
def test_no_state_has_a_serious_finding(
    browser: Browser, service: Gateway, clip: Path, two_phrases: bytes, look: str
) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core: run `npm ci`")
    scheme, width = LOOKS[look]
    # axe is put into the page by the test: the policy would rightly refuse it.
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport={"width": width, "height": 800},
        bypass_csp=True,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(service.url)
    page.add_script_tag(content=AXE.read_text())
    findings = {"start": serious(page)}
    drop(page, b"no audio")
    expect_problem(page, "This is not an audio file that can be read here")
    findings["problem"] = serious(page)
    drop(page, clip.read_bytes())
    expect_answer(page)
    findings["answer"] = serious(page)
    drop(page, two_phrases)
    expect_answer(page)
    expect(page.locator("#timeline button").first).to_be_visible()
    page.get_by_text("Settings", exact=True).click()
    page.locator(".word").first.focus()
    expect(page.locator(".tip").first).to_be_visible()
    findings["timeline, settings, history and a meaning"] = serious(page)
    page.route(re.compile("recordings"), lambda route: route.fulfill(body=LINES))
    drop(page, clips.tone(70.0, rate=8_000))
    expect(page.locator("#track button").first).to_be_visible()
    findings["long"] = serious(page)
    fits = page.evaluate(FITS)
    page.goto(f"{service.url}/card")
    page.add_script_tag(content=AXE.read_text())
    page.get_by_text("The card as JSON").click()
    findings["card"] = serious(page)
    fits = fits and page.evaluate(FITS)
    context.close()
    assert findings == {state: [] for state in findings}
    assert fits


def serious(page: Page) -> list[str]:
    """What axe-core finds serious or critical: rule and element."""
    found = page.evaluate("async () => (await axe.run()).violations")
    bad = [violation for violation in found if violation["impact"] in ("serious", "critical")]
    return [f"{violation['id']}: {node['html'][:120]}" for violation in bad for node in violation["nodes"]]
