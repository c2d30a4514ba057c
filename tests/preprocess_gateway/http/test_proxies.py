"""Behind proxies: whose `X-Forwarded-*` is believed, what of it, and where the service says that it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask, jsonify, request
from flask.testing import FlaskClient
from gunicorn.http.errors import InvalidRequestLine

from preprocess_gateway.core.predictor import Predictor
from preprocess_gateway.http.app import create_app
from preprocess_gateway.http.page import HEADERS, POLICY, POLICY_BELOW_A_PATH
from preprocess_gateway.http.proxies import behind_proxies
from preprocess_gateway.process.probes import ProbeServer
from preprocess_gateway.process.readiness import Readiness
from preprocess_gateway.process.refusals import refusal
from preprocess_gateway.quotas import Ledger
from preprocess_gateway.settings import MAX_PATH, Settings
from preprocess_gateway.telemetry import failures
from preprocess_gateway.telemetry.metrics import Metrics
from tests.support.served import models

PROXY, STRANGER = "10.1.2.3", "192.0.2.9"
FORWARDED = {
    "X-Forwarded-For": "198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "voice.example",
    "X-Forwarded-Prefix": "/team/speech",
}
BELIEVED = {"client": "198.51.100.7", "scheme": "https", "host": "voice.example", "root": "/team/speech"}


def seen(headers: Mapping[str, str], peer: str = PROXY, path: str = "/x", **settings: Any) -> dict[str, str]:
    """What an application takes the request for, as far as proxies can say."""
    app = Flask(__name__)

    @app.get("/<path:path>")
    def tell(path: str) -> Any:
        told = {"client": request.remote_addr, "scheme": request.scheme, "host": request.host}
        return jsonify({**told, "root": request.script_root, "path": path})

    app.wsgi_app = behind_proxies(app.wsgi_app, Settings(**settings))  # type: ignore[method-assign]
    asked = app.test_client().get(path, headers=headers, environ_base={"REMOTE_ADDR": peer})
    told: dict[str, str] = asked.json or {}
    return told


def untouched(peer: str) -> dict[str, str]:
    return {"client": peer, "scheme": "http", "host": "localhost", "root": "", "path": "x"}


def test_nobody_is_believed_by_default() -> None:
    assert seen(FORWARDED) == untouched(PROXY)
    assert seen(FORWARDED, "127.0.0.1") == untouched("127.0.0.1")


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        (PROXY, PROXY),
        (PROXY, "10.0.0.0/8"),
        (PROXY, "fd00::/8, 10.1.0.0/16"),
        (f"::ffff:{PROXY}", "10.0.0.0/8"),  # an IPv4 client of a socket for both families
        ("fd00::5", "fd00::/8"),
        ("fe80::1%eth0", "fe80::/10"),
        (PROXY, "0.0.0.0/0"),
    ],
)
def test_a_proxy_that_is_named_is_believed(peer: str, trusted: str) -> None:
    assert seen(FORWARDED, peer, trusted_proxies=trusted) == {**BELIEVED, "path": "x"}


@pytest.mark.parametrize("proxies", [0, 1])
@pytest.mark.parametrize("peer", [STRANGER, "fd00::5", "127.0.0.1", ""])
def test_nobody_else_is_believed_where_proxies_are_named(peer: str, proxies: int) -> None:
    assert seen(FORWARDED, peer, trusted_proxies="10.0.0.0/8", proxies=proxies) == untouched(peer)


def test_the_number_of_proxies_alone_is_about_the_clients_address_alone() -> None:
    assert seen(FORWARDED, STRANGER, proxies=1) == {**untouched(STRANGER), "client": BELIEVED["client"]}


@pytest.mark.parametrize(
    ("header", "value", "name"),
    [
        ("X-Forwarded-For", "198.51.100.7:4711", "client"),  # as some load balancers write it
        ("X-Forwarded-Proto", "HTTPS", "scheme"),
        ("X-Forwarded-Proto", "wss", "scheme"),  # Traefik, for a WebSocket
        ("X-Forwarded-Host", "voice.example:443", "host"),  # the port that the scheme has anyway
        ("X-Forwarded-Prefix", "/team/speech/", "root"),
    ],
)
def test_values_have_several_forms(header: str, value: str, name: str) -> None:
    assert seen({**FORWARDED, header: value}, trusted_proxies=PROXY)[name] == BELIEVED[name]


@pytest.mark.parametrize("address", ["2001:db8::7", "[2001:db8::7]", "[2001:db8::7]:443"])
def test_a_client_may_have_an_address_of_ipv6(address: str) -> None:
    assert seen({"X-Forwarded-For": address}, trusted_proxies=PROXY)["client"] == "2001:db8::7"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Forwarded-Prefix", "https://evil.example"),
        ("X-Forwarded-Prefix", "evil"),
        ("X-Forwarded-Prefix", "javascript:alert(1)//"),
        ("X-Forwarded-Prefix", '/"><script>alert(1)</script>'),
        ("X-Forwarded-Prefix", "/a'onload='x"),
        ("X-Forwarded-Prefix", "/\\evil.example"),
        ("X-Forwarded-Prefix", "/a/../.."),
        ("X-Forwarded-Prefix", "/a/%2e%2e"),
        ("X-Forwarded-Prefix", "/a b"),
        ("X-Forwarded-Prefix", "/a\tb"),
        ("X-Forwarded-Prefix", "/caf\xe9"),
        ("X-Forwarded-Prefix", "/" + "a" * MAX_PATH),
        ("X-Forwarded-Prefix", "/a?b"),
        ("X-Forwarded-Prefix", "/a#b"),
        ("X-Forwarded-Proto", "javascript"),
        ("X-Forwarded-Proto", "https://evil.example"),
        ("X-Forwarded-Host", "evil.example/path"),
        ("X-Forwarded-Host", "user@evil.example"),
        ("X-Forwarded-Host", "evil.example:http"),
        ("X-Forwarded-Host", 'evil"><script>'),
        ("X-Forwarded-Host", "a" * 300),
        ("X-Forwarded-Host", "[::1"),
        ("X-Forwarded-For", "unknown"),
        ("X-Forwarded-For", "1.2.3.4.5"),
        ("X-Forwarded-For", "<script>"),
        ("X-Forwarded-For", "1" * 5000),
    ],
)
def test_a_value_that_is_hostile_or_broken_counts_as_not_sent_and_the_log_says_so(
    header: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    others = {name: told for name, told in FORWARDED.items() if name != header}
    with caplog.at_level("WARNING", failures.NAME):
        assert seen({**others, header: value}, trusted_proxies=PROXY) == seen(others, trusted_proxies=PROXY)
    assert [record.getMessage().startswith(f"{header} is ignored") for record in caplog.records] == [True]


@pytest.mark.parametrize(
    ("proxies", "headers", "expected"),
    [
        (0, {"X-Forwarded-For": "9.9.9.9, 198.51.100.7"}, {"client": "198.51.100.7"}),
        (2, {"X-Forwarded-For": "9.9.9.9, 198.51.100.7, 10.0.0.2"}, {"client": "198.51.100.7"}),
        (2, {"X-Forwarded-For": "198.51.100.7"}, {"client": PROXY}),  # one of the two added nothing
        (1, {"X-Forwarded-Host": "evil.example, voice.example"}, {"host": "voice.example"}),
        (2, {"X-Forwarded-Host": "evil.example, voice.example, inner"}, {"host": "voice.example"}),
        (2, {"X-Forwarded-Host": "voice.example"}, {"host": "voice.example"}),  # the last one replaced the first one's
        (2, {"X-Forwarded-Proto": "https, http"}, {"scheme": "https"}),
        (1, {"X-Forwarded-Prefix": "/evil, /speech"}, {"root": "/speech"}),
        (2, {"X-Forwarded-Prefix": "/evil, /team, /speech"}, {"root": "/team/speech"}),
        (2, {"X-Forwarded-Prefix": "/, /speech"}, {"root": "/speech"}),
    ],
)
def test_of_several_values_those_of_the_proxies_count(
    proxies: int, headers: dict[str, str], expected: dict[str, str]
) -> None:
    told = seen(headers, trusted_proxies=PROXY, proxies=proxies)
    assert {name: told[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("path", "prefix", "expected"),
    [
        ("/speech/x", "", ("/speech", "x")),
        ("/x", "", ("", "x")),
        ("/speechless", "", ("", "speechless")),
        ("/speech/speech/x", "", ("/speech", "speech/x")),
        ("/x", "/speech", ("/speech", "x")),  # a proxy that takes it off
        ("/speech/x", "/speech", ("/speech", "x")),  # one that keeps it, and says so
        ("/speech/x", "/team", ("/team/speech", "x")),  # one of each kind
    ],
)
def test_a_base_path_is_kept_by_one_proxy_or_taken_off_by_another(
    path: str, prefix: str, expected: tuple[str, str]
) -> None:
    told = seen({"X-Forwarded-Prefix": prefix}, path=path, trusted_proxies=PROXY, base_path="/speech/")
    assert (told["root"], told["path"]) == expected


@contextmanager
def gateway(**settings: Any) -> Iterator[FlaskClient]:
    """The application, whose model server is not there; its clients come through a proxy."""
    read, metrics = Settings(model_server="127.0.0.1:1", **settings), Metrics()
    with models(read, metrics) as served:
        client = create_app(read, Predictor(read, served, metrics), metrics).test_client()
        client.environ_base["REMOTE_ADDR"] = PROXY
        yield client


@pytest.mark.parametrize(
    ("settings", "before", "headers"),
    [
        ({"base_path": "/team/speech"}, "/team/speech", {}),
        ({"trusted_proxies": PROXY}, "", {"X-Forwarded-Prefix": "/team/speech"}),
    ],
    ids=["the path is kept", "the path is taken off"],
)
def test_everything_says_the_path_that_clients_need(
    settings: dict[str, str], before: str, headers: dict[str, str]
) -> None:
    with gateway(**settings) as client:
        assert client.get(f"{before}/openapi.json", headers=headers).json["servers"] == [{"url": "/team/speech"}]
        server = {"host": "localhost", "protocol": "ws", "pathname": "/team/speech"}
        assert client.get(f"{before}/asyncapi.json", headers=headers).json["servers"] == {"gateway": server}
        problem = client.get(f"{before}/nowhere", headers=headers).json
        assert problem["type"] == "/team/speech/docs#not_found"
        assert "/team/speech/docs lists" in problem["detail"]
        page = client.get(f"{before}/", headers=headers)
        assert '<base href="/team/speech/">' in page.text
        assert page.headers["Content-Security-Policy"] == POLICY_BELOW_A_PATH
        moved = client.get(f"{before}/v1//models?a=b", headers={**headers, "Host": "evil.example"})
        assert (moved.status_code, moved.headers["Location"]) == (308, "/team/speech/v1/models?a=b")
        assert "evil" not in moved.text
        for path in ("/docs", "/docs/docs.js", "/page/style.css", "/samples/index.json"):
            assert client.get(f"{before}{path}", headers=headers, buffered=True).status_code == 200
        # Without a model there is no answer, but the route is found.
        for path in ("/card", "/v1/models"):
            assert client.get(f"{before}{path}", headers=headers).json["code"] == "model_unavailable"


def test_the_base_path_itself_leads_to_the_page() -> None:
    with gateway(base_path="/speech") as client:
        moved = client.get("/speech", headers={"Host": "evil.example"})
        assert (moved.status_code, moved.headers["Location"]) == (308, "/speech/")
        assert client.get("/speech", follow_redirects=True).status_code == 200


def test_without_any_path_the_page_names_no_base_and_allows_none() -> None:
    with gateway(base_path="/speech", trusted_proxies=PROXY) as client:
        page = client.get("/")
    assert "<base" not in page.text
    assert HEADERS.items() <= dict(page.headers).items()
    assert "base-uri 'none'" in POLICY
    assert "base-uri 'self'" in POLICY_BELOW_A_PATH
    assert "unsafe" not in POLICY_BELOW_A_PATH


def test_asyncapi_names_the_host_that_a_proxy_was_asked_for_and_no_hostile_one() -> None:
    with gateway(trusted_proxies=PROXY) as client:
        servers = client.get("/asyncapi.json", headers=FORWARDED).json["servers"]
        assert servers == {"gateway": {"host": "voice.example", "protocol": "wss", "pathname": "/team/speech"}}
        assert "servers" not in client.get("/asyncapi.json", headers={"Host": 'evil"><script>'}).json


def test_pages_of_other_origins_may_use_the_same_routes_below_a_path() -> None:
    allowed, other = "https://app.example", {"Origin": "https://evil.example"}
    with gateway(base_path="/speech", cors_origins=allowed) as client:
        for path in ("/v1/models", "/speech/v1/models"):
            assert client.get(path, headers={"Origin": allowed}).headers["Access-Control-Allow-Origin"] == allowed
            assert "Access-Control-Allow-Origin" not in client.get(path, headers=other).headers
        assert "Access-Control-Allow-Origin" not in client.get("/speech/docs", headers={"Origin": allowed}).headers


@pytest.mark.parametrize("base_path", ["", "/speech"])
def test_probes_answer_without_the_base_path_and_below_it(base_path: str) -> None:
    settings, metrics = Settings(model_server="127.0.0.1:1"), Metrics()
    with models(settings, metrics) as served:
        probes = ProbeServer("127.0.0.1", 0, Readiness(Ledger(), served), metrics, base_path)
        probes.start()
        found = {path: probes.answer(path)[0] for path in ("/healthz", "/readyz", "/metrics", "/predict")}
        assert found == {"/healthz": 200, "/readyz": 503, "/metrics": 200, "/predict": 404}
        assert {path: probes.answer(f"{base_path}{path}")[0] for path in found} == found
        assert probes.answer("/other/healthz")[0] == 404
        probes.close()


def test_a_request_that_is_no_http_is_refused_with_the_base_path() -> None:
    assert b'"/speech/docs#bad_request"' in refusal(InvalidRequestLine("x"), "/speech")


def test_metrics_know_a_route_by_its_name_alone() -> None:
    settings, metrics = Settings(model_server="127.0.0.1:1", base_path="/speech"), Metrics()
    with models(settings, metrics) as served:
        client = create_app(settings, Predictor(settings, served, metrics), metrics).test_client()
        for path in ("/openapi.json", "/speech/openapi.json"):
            assert client.get(path).status_code == 200
    exposed = metrics.exposition().decode()
    assert 'speech_emotion_requests_total{route="/openapi.json",status="200"} 2.0' in exposed
    assert "/speech" not in exposed
