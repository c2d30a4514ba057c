"""What the page offers around an answer: examples, meanings, downloads, history, a link to its settings."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from tests.browser.test_page import drop, expect_answer
from tests.support.gateway import Gateway


def test_an_example_of_real_speech_is_played_and_named_as_it_was_acted(page: Page) -> None:
    examples = page.locator("#example-buttons button")
    expect(examples).to_have_text(["happy", "sad", "angry", "fearful", "calm"])
    expect(page.locator("#attribution")).to_contain_text("Livingstone")
    for emotion in ("angry", "calm"):
        page.locator("#example-buttons").get_by_role("button", name=emotion).click()
        expect(page.locator("#clip-title")).to_have_text(f"Example: {emotion}")
        expect(page.locator("#verdict")).to_have_text(emotion, timeout=60_000)
        expect(page.locator("#explanation")).to_contain_text("confident")


def test_where_no_examples_are_served_the_page_does_not_mention_them(page: Page, service: Gateway) -> None:
    page.route(re.compile("samples/index.json"), lambda route: route.fulfill(status=404, body="{}"))
    page.goto(service.url)
    expect(page.locator("#settings")).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.locator("#examples")).to_be_hidden()


def test_an_emotion_is_explained_by_pointer_and_by_keyboard_until_escape(page: Page, clip: Path) -> None:
    drop(page, clip.read_bytes())
    expect_answer(page)
    word = page.locator(".bars .word").first
    tip = page.locator(".bars .tip").first
    expect(tip).to_be_hidden()
    word.hover()
    expect(tip).to_be_visible()
    expect(tip).to_have_text(re.compile("The voice sounds "))
    page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    page.mouse.move(0, 0)
    word.focus()
    expect(tip).to_be_visible()
    assert word.get_attribute("aria-describedby") == tip.get_attribute("id")


def downloaded(page: Page, name: str) -> tuple[str, str]:
    """Name and text of the file that a button gives."""
    with page.expect_download() as download:
        page.locator("#downloads").get_by_role("button", name=name).click()
    return download.value.suggested_filename, download.value.path().read_text()


def test_an_answer_is_downloaded_as_json_csv_and_captions(page: Page, two_phrases: bytes) -> None:
    drop(page, two_phrases, "Two phrases, take 1.wav")
    expect_answer(page)
    name, text = downloaded(page, "JSON")
    assert name == "Two-phrases-take-1.json"
    answer = json.loads(text)
    assert answer["audio"]["duration_s"] == 12.0
    name, text = downloaded(page, "CSV")
    rows = list(csv.DictReader(text.splitlines()))
    assert name.endswith(".csv")
    assert [row["emotion"] or None for row in rows] == [window["emotion"] for window in answer["timeline"]]
    assert json.loads(rows[0]["probabilities"]) == answer["timeline"][0]["probabilities"]
    name, text = downloaded(page, "VTT")
    assert name.endswith(".vtt")
    assert re.match(r"WEBVTT\n\n00:00:00\.000 --> 00:00:\d\d\.\d{3}\n\w+\??? \d+%\n\n", text)


def test_clips_that_were_heard_are_shown_again_without_asking_and_forgotten_on_demand(page: Page, clip: Path) -> None:
    drop(page, clip.read_bytes(), "first.wav")
    expect_answer(page)
    said = page.locator("#verdict").text_content() or ""
    page.locator("#example-buttons button").first.click()
    heard = page.locator("#clips button")
    expect(heard).to_have_count(2, timeout=60_000)
    expect(heard.first).to_have_attribute("aria-current", "true")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "predict" in request.url else None)
    heard.nth(1).click()
    expect(page.locator("#clip-title")).to_have_text("first.wav")
    expect(page.locator("#verdict")).to_have_text(said)
    expect(heard.nth(1)).to_have_attribute("aria-current", "true")
    assert asked == []
    page.get_by_role("button", name="Forget them").click()
    expect(page.locator("#history")).to_be_hidden()
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    page.reload()
    expect(page.locator("#history")).to_be_hidden()


def test_several_files_are_answered_one_after_the_other(page: Page, clip: Path, two_phrases: bytes) -> None:
    first: FilePayload = {"name": "first.wav", "mimeType": "audio/wav", "buffer": clip.read_bytes()}
    second: FilePayload = {"name": "second.wav", "mimeType": "audio/wav", "buffer": two_phrases}
    page.locator("#file").set_input_files([first, second])
    names = page.locator("#clips .name")
    expect(names).to_have_text(["second.wav", "first.wav"], timeout=60_000)
    expect(page.locator("#clip-title")).to_have_text("second.wav")


def test_a_link_shares_settings_and_never_a_recording(page: Page, service: Gateway, clip: Path) -> None:
    page.get_by_text("Settings", exact=True).click()
    page.get_by_label("Model").select_option("edge")
    page.get_by_label("Channels").select_option("separate")
    page.get_by_label("Emotions shown").select_option("3")
    link = page.locator("#link").input_value()
    assert link == f"{service.url}/?model=edge&channels=separate&top=3"
    drop(page, clip.read_bytes())
    expect_answer(page)
    expect(page.locator("#facts")).to_contain_text("edge, version 2")
    expect(page.locator("#facts a")).to_have_attribute("href", "card?model=edge&version=2")
    expect(page.locator("#bars li")).to_have_count(3)
    assert page.url == link
    page.goto(link)
    expect(page.get_by_label("Model")).to_be_visible()  # what the link has set is in sight
    expect(page.get_by_label("Model")).to_have_value("edge")
    expect(page.get_by_label("Emotions shown")).to_have_value("3")


@pytest.mark.parametrize("query", ["?model=nobody&top=7", "?channels=%3Cscript%3E", "?other=1#clip"])
def test_what_cannot_be_chosen_here_is_left_out_of_the_link(page: Page, service: Gateway, query: str) -> None:
    page.goto(f"{service.url}/{query}")
    expect(page.locator("#link")).to_have_value(f"{service.url}/")


def test_the_link_is_copied_or_left_selected(page: Page) -> None:
    page.get_by_text("Settings", exact=True).click()
    page.get_by_role("button", name="Copy the link").click()
    expect(page.locator("#copied")).to_have_text(re.compile("The link is copied|copy it yourself"))


def test_below_a_path_of_a_proxy_everything_is_found_too(page: Page, service: Gateway, clip: Path) -> None:
    strays: list[str] = []

    def strip(route: Route) -> None:
        url = route.request.url
        if not url.startswith(f"{service.url}/emotion/"):
            strays.append(url)
        route.fulfill(response=route.fetch(url=url.replace("/emotion/", "/", 1)))

    page.goto("about:blank")  # the page that was open may still ask for its icon
    page.route(f"{service.url}/**", strip)
    page.goto(f"{service.url}/emotion/")
    expect(page.locator("#example-buttons button").first).to_be_visible()
    drop(page, clip.read_bytes())
    expect_answer(page)
    page.locator("#facts a").click()
    expect(page.locator("h1")).to_contain_text("Model card")
    page.get_by_role("link", name="Back to the page").click()
    expect(page).to_have_url(f"{service.url}/emotion/")
    expect(page.locator("#example-buttons button").first).to_be_visible()
    page.unroute_all(behavior="wait")
    assert strays == []
