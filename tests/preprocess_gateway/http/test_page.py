"""How the page is delivered; what it does is in tests/browser."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from markupsafe import escape

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.http.cards import sentences
from preprocess_gateway.http.page import HEADERS, PAGE
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

FILES = sorted(str(path.relative_to(PAGE)) for path in PAGE.rglob("*") if path.suffix in {".js", ".css", ".svg"})


def references(text: str) -> Iterator[str]:
    yield from re.findall(r'(?:src|href)="(page/[^"]+)"', text)


def test_the_page_and_its_files_come_with_a_strict_policy(service: Gateway) -> None:
    page = requests.get(service.url, timeout=60)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert 'name="max-duration-s" content="60.0"' in page.text
    assert "{{" not in page.text
    named = list(references(page.text))
    assert len(named) == 3
    for url in ["", *named, *(f"page/{name}" for name in FILES)]:
        answer = requests.get(f"{service.url}/{url}", timeout=60)
        assert answer.status_code == 200, url
        assert HEADERS.items() <= dict(answer.headers).items()
        again = requests.get(f"{service.url}/{url}", headers={"If-None-Match": answer.headers["ETag"]}, timeout=60)
        assert again.status_code == 304, url


def test_no_policy_has_an_exception_and_no_page_a_script_of_its_own() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "*" not in policy
    html = (PAGE / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?://", html)
    assert all("http://" not in text.replace("http://www.w3.org/2000/svg", "") for text in map(read, FILES))


def read(name: str) -> str:
    return (PAGE / name).read_text()


@pytest.mark.parametrize("name", ["index.html", "js/worklet.d.ts", "../app.py", "js/none.js", "..%2fsettings.py"])
def test_nothing_else_is_given_away(service: Gateway, name: str) -> None:
    answer = requests.get(f"{service.url}/page/{name}", timeout=60)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


@contextmanager
def app(**settings: Any) -> Iterator[FlaskClient]:
    """A gateway's application in this process."""
    read, metrics = Settings(**settings), Metrics()
    predictor = Predictor.connect(read, metrics)
    try:
        yield create_app(read, predictor, metrics).test_client()
    finally:
        predictor.close()


def test_a_setting_turns_it_off(model_server: ModelServer) -> None:
    with app(page=False, model_server=model_server.address) as client:
        assert client.get("/").status_code == 404
        assert client.get("/card").status_code == 404


def test_every_file_is_packaged() -> None:
    root = Path(__file__).parents[3]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    packaged = {path for pattern in patterns["preprocess_gateway"] for path in PAGE.parent.glob(pattern)}
    assert {PAGE / name for name in ["index.html", *FILES]} <= packaged


def test_limits_of_the_settings_are_told_to_the_page_though_no_model_is_there() -> None:
    with app(max_duration_s=7.5, max_body_bytes=2048, model_server="127.0.0.1:1") as client:
        text = client.get("/").get_data(as_text=True)
    assert 'name="max-duration-s" content="7.5"' in text
    assert 'name="max-body-bytes" content="2048"' in text


def test_the_page_says_in_three_sentences_what_the_model_learned_from_and_where_it_fails(service: Gateway) -> None:
    text = requests.get(service.url, timeout=60).text
    card = requests.get(f"{service.url}/v1/models", timeout=60).json()["models"][0]["versions"][0]["card"]
    said = sentences(card)
    assert "ravdess + crema-d + nemo: 13,356 clips of 124 speakers." in said[0]
    assert re.search(r"^It names 67% .*; it is weakest on sad \(59%\), disgust \(59%\) and happy \(60%\)", said[1])
    assert "weaker on male voices (65%) than on female ones (70%)" in said[1]
    assert all(str(escape(sentence)) in text for sentence in said)
    assert 'href="card"' in text


@pytest.mark.parametrize("query", ["", "?model=speech_emotion", "?model=edge", "?model=edge&version=2"])
def test_the_card_of_a_model_is_a_page_under_the_same_policy(service: Gateway, query: str) -> None:
    answer = requests.get(f"{service.url}/card{query}", timeout=60)
    assert answer.status_code == 200
    assert HEADERS.items() <= dict(answer.headers).items()
    assert f"Model card: {'edge' if 'edge' in query else 'speech_emotion'}, version" in answer.text
    assert "at work or in education" in answer.text
    assert answer.text.count('<td class="heat-') == 64
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=", answer.text)
    assert set(references(answer.text)) == {"page/icon.svg", "page/style.css", "page/card.css"}


@pytest.mark.parametrize("query", ["?model=nobody", "?version=99", "?version=two"])
def test_a_card_that_is_not_there_is_not_found(service: Gateway, query: str) -> None:
    assert requests.get(f"{service.url}/card{query}", timeout=60).status_code == 404


def test_while_the_model_is_away_there_is_no_card() -> None:
    with app(model_server="127.0.0.1:1") as client:
        assert client.get("/card").status_code == 503
