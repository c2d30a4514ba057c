"""Every REST call that was recorded from the real server gets the same status, type and answer here.

With MODEL_SERVER_REST=host:port the calls go to that server instead (see recorded.py for what it must serve).
"""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.model_server.recorded import NODE, RECORDINGS, assert_same, recorded_calls, recorded_server
from tests.support.model_server import free_port

CALLS = recorded_calls("rest.json")
pytestmark = pytest.mark.skipif(not CALLS, reason=f"no recordings at {RECORDINGS} (TF_SERVING_RECORDINGS)")

# What was not recorded is asked of this server only.
ours = pytest.mark.skipif("MODEL_SERVER_REST" in os.environ, reason="not recorded from the real server")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if address := os.environ.get("MODEL_SERVER_REST"):
        yield f"http://{address}"
        return
    port = free_port()
    with recorded_server(tmp_path_factory.mktemp("recorded"), f"--rest_api_port={port}"):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("recorded", CALLS, ids=[each["case"] for each in CALLS])
def test_call_is_answered_as_recorded(url: str, recorded: dict[str, Any]) -> None:
    sent = recorded["request"]
    body = sent if isinstance(sent, str) or sent is None else json.dumps(sent)
    answer = requests.request(recorded["method"], url + recorded["path"], data=body, timeout=60)
    assert answer.status_code == recorded["status"], answer.text
    assert answer.headers["Content-Type"] == recorded["content_type"]
    expected = recorded["response"]
    if isinstance(expected, str):
        assert answer.text == expected
    elif "error" in expected:
        assert NODE.sub("[[]]", answer.json()["error"]) == NODE.sub("[[]]", expected["error"])
    else:
        assert_same(answer.json(), expected)


@ours
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"instances": 3}', "'instances' to be an list"),
        ('{"signature_name": 3, "instances": [1]}', "'signature_name' key must be a string value."),
        ('{"signature_name": "two", "instances": [1]}', "instances is a plain list"),
        ('{"signature_name": "two", "inputs": [1]}', "inputs is a plain value"),
        ('{"signature_name": "two", "inputs": {"x": [[1, 2]]}}', "Missing named input: k in 'inputs' object."),
        ('{"signature_name": "two", "instances": [{"x": [1, 2]}]}', "keys must be equal to: k,x"),
        ('{"signature_name": "two", "inputs": {"x": [[1, 2]], "k": [1.5]}}', "Number is not of expected type: int64"),
        ('{"signature_name": "two", "inputs": {"x": [[1, 2]], "k": [true]}}', "True is not of expected type: int64"),
        ('{"signature_name": "two", "inputs": {"x": [[1, 2], [1]], "k": [1, 2]}}', "tensor size: 4 but got: 3"),
        ('{"instances": [1], }', "JSON Parse error: Missing a name for object member."),
        ('[1]', "is not object"),
        ("[" * 100000, "nested too deeply"),
        ('{"instances": [[1, ' + "[" * 500 + "]" * 500 + "]]}", "Expecting tensor size: 2 but got: 1"),
        ('{"instances": [' + "[" * 500 + "]" * 500 + "]}", "nested more than 32 deep"),
        ('{"instances": [[[' + "9" * 400 + ", 1, 1, 1]]]}", "too large for type: float"),
        (b'{"instances": "\xff"}', "JSON Parse error"),
    ],
)  # fmt: skip
def test_other_bad_bodies_are_refused_with_a_reason(url: str, body: str | bytes, message: str) -> None:
    answer = requests.post(f"{url}/v1/models/demo:predict", data=body, timeout=60)
    assert answer.status_code == 400
    assert message in answer.json()["error"]


def test_a_connection_serves_call_after_call(url: str) -> None:
    with requests.Session() as session:
        for _ in range(3):
            answer = session.post(
                f"{url}/v1/models/demo:predict", data=json.dumps({"instances": [[[1, 2, 3]]]}), timeout=60
            )
            assert answer.status_code == 400
            assert session.get(f"{url}/v1/models/demo", timeout=60).status_code == 200


@ours
@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v1/models/demo?x=1", 200, "AVAILABLE"),
        ("/V1/MODELS/demo", 200, "AVAILABLE"),
        ("/v1/models/de%6Do", 200, "AVAILABLE"),
        ("/v1/models", 400, "Malformed request: GET /v1/models"),
        ("/v1/models/demo/versions/x", 400, "Malformed request"),
        ("/v1/models/demo/versions/99999999999999999999", 400, "Failed to convert version"),
        ("//[", 404, "Not Found"),
    ],
)
def test_other_paths(url: str, path: str, status: int, text: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, text in answer.read().decode()) == (status, True)
    connection.close()


@ours
def test_a_body_without_length_is_refused(url: str) -> None:
    answer = requests.post(f"{url}/v1/models/demo:predict", data=iter([b"{}"]), timeout=60)
    assert (answer.status_code, answer.json()) == (411, {"error": "Content-Length required"})


@ours
@pytest.mark.parametrize("length", ["\u00b2", "9" * 5000, "+5", "1_0", "-1", ""])
def test_a_length_that_is_no_plain_number_is_refused(url: str, length: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/v1/models/demo:predict")
    connection.putheader("Content-Length", length.encode("latin-1"))
    connection.endheaders()
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())) == (411, {"error": "Content-Length required"})
    connection.close()
