"""How the page is delivered; what it does is in tests/browser."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from flask import Flask

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.http.page import HEADERS, PAGE, blueprint
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from tests.support.gateway import Gateway
from tests.support.model_server import ModelServer

FILES = sorted(str(path.relative_to(PAGE)) for path in PAGE.rglob("*") if path.suffix in {".js", ".css", ".svg"})


def references(text: str) -> Iterator[str]:
    yield from re.findall(r'(?:src|href)="(page/[^"]+)"', text)


def test_the_page_and_its_files_come_with_a_strict_policy(service: Gateway) -> None:
    page = requests.get(service.url, timeout=10)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert 'name="max-duration-s" content="60.0"' in page.text
    assert "{{" not in page.text
    named = list(references(page.text))
    assert len(named) == 3
    for url in ["", *named, *(f"page/{name}" for name in FILES)]:
        answer = requests.get(f"{service.url}/{url}", timeout=10)
        assert answer.status_code == 200, url
        assert HEADERS.items() <= dict(answer.headers).items()
        again = requests.get(f"{service.url}/{url}", headers={"If-None-Match": answer.headers["ETag"]}, timeout=10)
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
    answer = requests.get(f"{service.url}/page/{name}", timeout=10)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_setting_turns_it_off(model_server: ModelServer) -> None:
    settings, metrics = Settings(page=False, model_server=model_server.address), Metrics()
    predictor = Predictor.connect(settings, metrics)
    try:
        client = create_app(settings, predictor, metrics).test_client()
        assert client.get("/").status_code == 404
    finally:
        predictor.close()


def test_every_file_is_packaged() -> None:
    root = Path(__file__).parents[3]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    packaged = {path for pattern in patterns["preprocess_gateway"] for path in PAGE.parent.glob(pattern)}
    assert {PAGE / name for name in ["index.html", *FILES]} <= packaged


def test_limits_of_the_settings_are_told_to_the_page() -> None:
    app = Flask(__name__)
    app.register_blueprint(blueprint(Settings(max_duration_s=7.5, max_body_bytes=2048)))
    text = app.test_client().get("/").get_data(as_text=True)
    assert 'name="max-duration-s" content="7.5"' in text
    assert 'name="max-body-bytes" content="2048"' in text
