"""The live mode: an actor speaks into the page's microphone, and the timeline grows."""

from __future__ import annotations

import itertools
import json
import re

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.test_extras import downloaded
from tests.browser.test_page import LIVE_TRACKS, LONG_MS, drop, expect_answer, expect_problem, ink

HELD = """() => {
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.streams = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    window.streams.push(await ask(wanted));
    return window.streams.at(-1);
  };
}"""
SEGMENTS = "#track button"


def listen(page: Page) -> None:
    page.evaluate(HELD)
    page.get_by_role("button", name="Listen live").click()
    expect(page.locator("#status")).to_contain_text("Speak", timeout=LONG_MS)


def test_while_somebody_speaks_the_timeline_grows_and_at_the_end_there_is_a_summary(page: Page) -> None:
    listen(page)
    expect(page.locator(SEGMENTS).first).to_be_visible(timeout=LONG_MS)
    expect(page.locator("#now")).to_contain_text(re.compile(r"Now, \d+\.\d s: \w+ >?\d+ %"))
    assert ink(page) > 20
    early = page.locator("#times span").count()
    page.wait_for_function(
        "(early) => document.querySelectorAll('#times span').length > early", arg=early, timeout=LONG_MS
    )
    page.get_by_role("button", name="Stop listening").click()
    expect_answer(page)
    expect(page.locator("#verdict")).to_have_text(re.compile("angry"))
    expect(page.locator("#bars-title")).to_contain_text("Share of the time")
    expect(page.locator("#now")).to_be_hidden()
    expect(page.locator("#clips .name")).to_have_text(re.compile(r"Live, \d+\.\d s"))
    assert page.evaluate(LIVE_TRACKS) == 0
    _, captions = downloaded(page, "VTT")
    assert captions.count(" --> ") == page.locator(SEGMENTS).count()
    _, table = downloaded(page, "CSV")
    assert "angry" in table


def test_a_connection_that_the_service_restarts_is_taken_up_again_without_a_gap(page: Page) -> None:
    starts: list[float] = []

    def proxy(client: WebSocketRoute) -> None:
        service = client.connect_to_server()

        def to_service(message: str | bytes) -> None:
            if isinstance(message, str) and "sample_rate" in message:
                starts.append(json.loads(message)["start_s"])
            service.send(message)

        def to_page(message: str | bytes) -> None:
            client.send(message)
            if len(starts) == 1 and json.loads(message)["type"] == "now":
                gone = {"type": "error", "code": "shutting_down", "detail": "x", "request_id": "r", "resume_s": 2.0}
                client.send(json.dumps(gone))
                client.close(code=1012, reason="restart")

        client.on_message(to_service)
        service.on_message(to_page)

    page.route_web_socket(re.compile("/v1/stream"), proxy)
    listen(page)
    expect(page.locator("#status")).to_have_text("Connected again. Speak.", timeout=LONG_MS)
    page.wait_for_function("() => document.querySelectorAll('#times span').length >= 8", timeout=LONG_MS)
    page.get_by_role("button", name="Stop listening").click()
    expect_answer(page)
    assert starts == [0, 2.0]
    _, table = downloaded(page, "CSV")
    begins = [float(line.split(",")[1]) for line in table.splitlines()[1:]]
    strides = [after - before for before, after in itertools.pairwise(begins[:-1])]
    assert begins[0] == 0
    assert all(abs(stride - strides[0]) < 0.01 for stride in strides)


def test_a_connection_that_breaks_for_good_is_told_and_what_was_answered_stays(page: Page) -> None:
    tries: list[WebSocketRoute] = []

    def break_off(client: WebSocketRoute) -> None:
        tries.append(client)
        if len(tries) > 1:
            client.close(code=1012)
            return
        service = client.connect_to_server()
        client.on_message(service.send)

        def to_page(message: str | bytes) -> None:
            client.send(message)
            if json.loads(message)["type"] == "now":
                client.close(code=1012)

        service.on_message(to_page)

    page.route_web_socket(re.compile("/v1/stream"), break_off)
    listen(page)
    expect_problem(page, "The live connection broke")
    assert len(tries) > 3
    expect(page.locator(SEGMENTS).first).to_be_visible()
    expect(page.get_by_role("button", name="Listen live")).to_be_visible()
    assert page.evaluate(LIVE_TRACKS) == 0


def test_a_stream_that_is_refused_is_told_in_the_service_s_words(page: Page) -> None:
    def refuse(client: WebSocketRoute) -> None:
        error = {"type": "error", "code": "stream_idle", "detail": "No sound for 30 s", "request_id": "r9"}
        client.send(json.dumps(error))
        client.close(code=1008, reason="idle")

    page.route_web_socket(re.compile("/v1/stream"), refuse)
    page.get_by_role("button", name="Listen live").click()
    expect_problem(page, "No sound arrived")
    expect(page.locator("#problem-detail")).to_contain_text("r9")


def test_another_clip_ends_a_live_session(page: Page, two_phrases: bytes) -> None:
    listen(page)
    drop(page, two_phrases)
    expect_answer(page)
    page.wait_for_function(f"({LIVE_TRACKS})() === 0")
    expect(page.locator("#long")).to_be_hidden()
    expect(page.get_by_role("button", name="Listen live")).to_be_visible()
