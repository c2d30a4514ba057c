from __future__ import annotations

import anyio
import pytest

from speech_emotion.client import AsyncClient, Client, UnreachableError
from speech_emotion.client.address import Address
from tests.support.gateway import Gateway
from tests.support.ports import free_port


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> str:
    """A proxy of the environment that nobody runs."""
    for name in ("NO_PROXY", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
    host = f"127.0.0.1:{free_port()}"
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://me:secret@{host}")
    return host


@pytest.mark.parametrize(("given", "meant"), [
    ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
    ("127.0.0.1:8080", "http://127.0.0.1:8080/"),
    ("localhost:8080/", "http://localhost:8080/"),
    (" emotions.example ", "http://emotions.example/"),
    ("[::1]:8080", "http://[::1]:8080/"),
    ("HTTPS://emotions.example/predict", "https://emotions.example/"),
    ("http://h/speech/predict/", "http://h/speech/"),
    ("h:1/v1/models", "http://h:1/"),
    ("https://h/team/speech", "https://h/team/speech/"),
    ("https://h/team/speech/v1/recordings", "https://h/team/speech/"),
])  # fmt: skip
def test_a_url_is_taken_as_it_is_meant(given: str, meant: str) -> None:
    assert str(Address.parse(given).url) == meant


@pytest.mark.parametrize("text", [
    "ftp://h/predict", "file:///etc/passwd", "grpc://h:8500", "http://", "", "http://h:port", "h?top=3", "http://h/#x",
])  # fmt: skip
def test_what_is_no_url_of_the_service_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a URL"):
        Client(text)
    with pytest.raises(ValueError, match="not a URL"):
        AsyncClient(text)


def test_an_absence_names_the_url_and_the_proxy_without_passwords(proxy: str) -> None:
    url = "http://me:secret@emotions.invalid:8080"
    with Client(url, retries=0) as client, pytest.raises(UnreachableError) as error:
        client.predict(b"x")
    assert f"at http://emotions.invalid:8080 through the proxy http://{proxy}: " in str(error.value)
    assert "secret" not in str(error.value)
    with pytest.raises(UnreachableError, match=proxy):
        anyio.run(ask, url)
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url, retries=0) as client, pytest.raises(UnreachableError, match=f"reached at {url}: "):
        client.predict(b"x")


async def ask(url: str) -> int:
    async with AsyncClient(url, retries=0) as client:
        return len(await client.models())


@pytest.mark.usefixtures("proxy")
def test_loopback_does_not_go_to_the_proxy(service: Gateway) -> None:
    for url in (service.url, service.url.replace("127.0.0.1", "localhost")):
        with Client(url) as client:
            assert client.models()
        assert anyio.run(ask, url)


@pytest.mark.usefixtures("proxy")
def test_no_proxy_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Address.parse("emotions.example").proxy
    assert Address.parse("https://emotions.example").proxy
    monkeypatch.setenv("NO_PROXY", ".example,10.0.0.1")
    assert Address.parse("emotions.example").proxy is None
    assert Address.parse("10.0.0.1:8080").proxy is None
    for host in ("127.0.0.2", "[::1]", "[::ffff:127.0.0.1]", "app.localhost"):
        assert Address.parse(host).proxy is None


@pytest.mark.parametrize("named", ["socks5://127.0.0.1:1080", "gopher://127.0.0.1", "http://h:port"])
def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, named: str) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", named)
    with pytest.raises(ValueError, match=r"proxy|not a URL"):
        Client("http://emotions.example")
    Client("http://127.0.0.1:8080").close()
