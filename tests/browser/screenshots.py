"""Pictures of the page for README and docs: `python -m tests.browser.screenshots docs/pictures`."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from ser.serve import ConfigMirror
from tests.conftest import ROOT
from tests.support.browser import chromium
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

LOOKS = {"light": ("light", 900), "dark": ("dark", 900), "phone": ("light", 390)}
FRAME_MS = 120
LAST_MS = 2500


def hear(page: Page, url: str, emotion: str) -> None:
    """An example, answered and at rest."""
    page.goto(url)
    page.locator("#example-buttons").get_by_role("button", name=emotion).click()
    expect(page.locator("#verdict")).to_have_text(emotion, timeout=60_000)
    if page.get_by_role("button", name="Pause").is_visible():
        page.locator("#play").click()
    page.mouse.move(0, 0)


def take(browser: Browser, url: str, folder: Path) -> None:
    """An example of real speech in each look, half played."""
    for look, (scheme, width) in LOOKS.items():
        viewport = {"width": width, "height": 900}
        context = browser.new_context(color_scheme=scheme, viewport=viewport, reduced_motion="reduce")  # type: ignore[arg-type]
        page = context.new_page()
        hear(page, url, "angry")
        page.locator("#seek").fill("2")
        page.screenshot(path=folder / f"page-{look}.png", full_page=True)
        context.close()


def animate(browser: Browser, url: str, path: Path) -> None:
    """An example that plays, its playhead and its answer, as an animation of a few seconds."""
    context = browser.new_context(
        color_scheme="light", viewport={"width": 760, "height": 1120}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(url)
    expect(page.locator("#examples")).to_be_visible()
    frames = [page.screenshot()]
    hear(page, url, "happy")
    seconds = float(page.locator("#seek").get_attribute("max") or 0)
    steps = round(1000 * seconds / (2 * FRAME_MS))
    for step in range(steps + 1):
        page.locator("#seek").fill(f"{seconds * step / steps:.2f}")
        frames.append(page.screenshot())
    context.close()
    pictures = [Image.open(io.BytesIO(frame)).convert("RGB") for frame in frames]
    durations = [LAST_MS // 2, *[FRAME_MS] * (len(pictures) - 2), LAST_MS]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0, quality=80, method=6)


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        config = ConfigMirror(ROOT / "models", Path(temporary) / "models.config").target
        flag = "--allow_version_labels_for_unavailable_models=true"
        with ModelServer(flag, config_file=config) as server, Gateway(server.address) as gateway, chromium() as browser:
            take(browser, gateway.url, folder)
            animate(browser, gateway.url, folder / "page.webp")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
