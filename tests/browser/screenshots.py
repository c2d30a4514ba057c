"""Pictures of the page for docs/page.md: `python -m tests.browser.screenshots docs/pictures`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect

from ser.serve import ConfigMirror
from tests.conftest import ROOT
from tests.support.browser import chromium
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

LOOKS = {"light": ("light", 900), "dark": ("dark", 900), "phone": ("light", 390)}


def take(browser: Browser, url: str, folder: Path) -> None:
    """The sample, played to four seconds and stopped there, in each look."""
    for look, (scheme, width) in LOOKS.items():
        viewport = {"width": width, "height": 900}
        context = browser.new_context(color_scheme=scheme, viewport=viewport, reduced_motion="reduce")  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(url)
        page.get_by_role("button", name="Play the sample").click()
        expect(page.locator("#result")).to_be_visible(timeout=60_000)
        page.locator("#play").click()
        page.locator("#seek").fill("4")
        expect(page.locator("#time")).to_have_text("4.0 / 12.0 s")
        page.mouse.move(0, 0)
        page.screenshot(path=folder / f"page-{look}.png", full_page=True)
        context.close()


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        config = ConfigMirror(ROOT / "models", Path(temporary) / "models.config").target
        flag = "--allow_version_labels_for_unavailable_models=true"
        with ModelServer(flag, config_file=config) as server, Gateway(server.address) as gateway, chromium() as browser:
            take(browser, gateway.url, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
