"""A page of another origin asks the service, in a real Chromium: allowed by GATEWAY_CORS_ORIGINS alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

ASK = """async ([url, data, headers]) => {
  const form = new FormData();
  form.append("file", new Blob([new Uint8Array(data)]), "clip.wav");
  try {
    const response = await fetch(`${url}/predict?top=1`, { method: "POST", body: form, headers });
    return { ...await response.json(), header: response.headers.get("X-Request-ID") };
  } catch (error) {
    return { error: error.name };
  }
}"""
PREFLIGHTED = {"X-Affinity-Key": "somebody"}  # a page may send it to another origin only after a preflight


class _Blank(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title>")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing to say."""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    """The origin of a site that is not the gateway's: another port is another origin."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Blank) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def open_to(service_models: ModelServer, elsewhere: str) -> Iterator[Gateway]:
    with Gateway(service_models.address, cors_origins=f"https://unused.example,{elsewhere}") as gateway:
        yield gateway


@pytest.fixture
def other_page(browser: Browser, elsewhere: str) -> Iterator[Page]:
    context = browser.new_context()
    page = context.new_page()
    page.goto(elsewhere)
    yield page
    context.close()


@pytest.mark.parametrize("headers", [{}, PREFLIGHTED], ids=["simple", "preflighted"])
def test_a_page_of_an_origin_that_is_named_reads_the_answer(
    other_page: Page, open_to: Gateway, clip: Path, headers: dict[str, str]
) -> None:
    answer = other_page.evaluate(ASK, [open_to.url, list(clip.read_bytes()), headers])
    assert answer["emotion"] in answer["probabilities"]
    assert answer["header"] == answer["request_id"]
    problem = other_page.evaluate(ASK, [open_to.url, [1, 2, 3], headers])
    assert problem["code"] == "unsupported_format"


@pytest.mark.parametrize("headers", [{}, PREFLIGHTED], ids=["simple", "preflighted"])
def test_any_other_page_reads_nothing(
    other_page: Page, service: Gateway, open_to: Gateway, elsewhere: str, clip: Path, headers: dict[str, str]
) -> None:
    data = list(clip.read_bytes())
    assert other_page.evaluate(ASK, [service.url, data, headers]) == {"error": "TypeError"}  # names no origin
    other_page.goto(elsewhere.replace("127.0.0.1", "localhost"))  # not the origin that is named
    assert other_page.evaluate(ASK, [open_to.url, data, headers]) == {"error": "TypeError"}
