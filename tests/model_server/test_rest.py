"""REST: recorded calls get the same status, type and answer from both servers, and so do others."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

import numpy as np
import pytest
import requests

from tests.model_server.calls import ours
from tests.model_server.recorded import RECORDINGS, assert_same, comparable, recorded_calls
from tests.support.model_server import ModelServer

CALLS = recorded_calls("rest.json")
pytestmark = pytest.mark.skipif(not CALLS, reason=f"no recordings at {RECORDINGS} (TF_SERVING_RECORDINGS)")


@pytest.fixture(scope="session")
def url(demo: ModelServer) -> str:
    return f"http://127.0.0.1:{demo.rest_port}"


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
        assert comparable(answer.json()["error"]) == comparable(expected["error"])
    else:
        assert_same(answer.json(), expected)


ROW = [1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "body",
    [
        b"\xef\xbb\xbf" + json.dumps({"instances": [[ROW]]}).encode(),
        b" \n" + json.dumps({"instances": [[ROW]]}).encode() + b"} and more",
        f'{{"instances": [[{ROW}]], "instances": 3}}'.encode(),
    ],
    ids=["a byte order mark", "more after the document", "a key twice"],
)
def test_what_the_real_server_overlooks_in_a_body_is_overlooked(url: str, body: bytes) -> None:
    answer = requests.post(f"{url}/v1/models/demo:predict", data=body, timeout=60)
    assert (answer.status_code, np.shape(answer.json().get("predictions"))) == (200, (1, 3)), answer.text


DEEP = "[" * 500 + "]" * 500


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"instances": 3}', "Expecting 'instances' to be an list/array"),
        ('{"signature_name": 3, "instances": [1]}', "formatted correctly. 'signature_name' key must be a string"),
        ('{"signature_name": null, "instances": [1]}', "'signature_name' key must be a string value."),
        ('{"signature_name": "two", "instances": [1]}', "multiple input tensors required as per tensorinfo_map"),
        ('{"signature_name": "two", "inputs": [1]}', "inputs is a plain value/list, but expecting an object"),
        ('{"signature_name": "two", "inputs": {"x": [[1, 2]]}}', "Missing named input: k in 'inputs' object."),
        ('{"signature_name": "two", "instances": [{"x": [1, 2]}]}', "keys must be equal to: k,x"),
        ('{"signature_name": "two", "inputs": {"x": [[1, 2]], "k": [1.5]}}', "Number is not of expected type: int64"),
        ('{"signature_name": "two", "inputs": {"x": [[1, 2]], "k": [true]}}', "True is not of expected type: int64"),
        (
            '{"signature_name": "two", "inputs": {"x": [[1, 2], [1]], "k": [1, 2]}}',
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        ('{"inputs": [[1, 2], [3, [4]]]}', "Encountered list at unexpected level: 2 expected < 2"),
        ('{"instances": [[[1, 2, 3, 4], [1]]]}', "unexpected size: 1 at level: 1 expected size: 4"),
        ('{"instances": [[[1, 2, 3, 4]], [[1, 2, 3, 4], [1, 2, 3, 4]]]}', "Expecting tensor size: 4 but got: 8"),
        ('{"instances": [1], }', "JSON Parse error: Missing a name for object member."),
        ('{"instances" [1]}', "JSON Parse error: Missing a colon after a name of object member. at offset: 13"),
        ('{"instances": [1,]}', "JSON Parse error: Invalid value. at offset: 17"),
        ("", "JSON Parse error: The document is empty"),
        ("[1]", "JSON Value: [1] Is not object"),
        ("null", "JSON Value: null Is not object"),
        ("[" * 100_000, "JSON Parse error: Invalid value. at offset: 100000"),
        ('{"instances": [[1, ' + DEEP + "]]}", "Encountered list at unexpected level: 1 expected < 1"),
        ('{"instances": [[[' + "9" * 400 + ", 1, 1, 1]]]}", "Number too big to be stored in double. at offset: 17"),
        ('{"a": "1e999", "b": [1e400]}', "Number too big to be stored in double. at offset: 21"),
        (b'{"instances": "\xff"}', "Expecting 'instances' to be an list/array"),
    ],
)  # fmt: skip
def test_other_bad_bodies_are_refused_in_the_real_server_s_words(url: str, body: str | bytes, message: str) -> None:
    answer = requests.post(f"{url}/v1/models/demo:predict", data=body, timeout=60)
    assert answer.status_code == 400
    assert message in json.loads(answer.content.decode(errors="replace"))["error"]


@ours
def test_what_is_nested_beyond_numpy_is_refused(url: str) -> None:
    body = '{"instances": [' + DEEP + "]}"
    answer = requests.post(f"{url}/v1/models/demo:predict", data=body, timeout=60)
    assert (answer.status_code, "nested more than 32 deep" in answer.text) == (400, True)


def test_a_connection_serves_call_after_call(url: str) -> None:
    with requests.Session() as session:
        for _ in range(3):
            answer = session.post(
                f"{url}/v1/models/demo:predict", data=json.dumps({"instances": [[[1, 2, 3]]]}), timeout=60
            )
            assert answer.status_code == 400
            assert session.get(f"{url}/v1/models/demo", timeout=60).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/v1/models/demo?x=1", 404, "Could not find any versions of model demo?x=1"),
        ("/v1/models/demo/metadata?x", 400, "Malformed request: GET /v1/models/demo/metadata?x"),
        ("/V1/MODELS/demo", 200, "AVAILABLE"),
        ("//v1/models/demo", 404, "Not Found"),
        ("/v1/models/de%6Do", 200, "AVAILABLE"),
        ("/v1/models/demo%2Fx", 404, "Could not find any versions of model demo/x"),
        ("/v1/models", 400, "Missing model name in request."),
        ("/v1/models/demo/versions/x", 400, "Malformed request"),
        ("/v1/models/demo/versions/99999999999999999999", 400, ""),
        ("/v1/models/demo/versions/" + "9" * 5000, 400, ""),
    ],
)
def test_other_paths(url: str, path: str, status: int, text: str) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    assert (answer.status, text in body, bool(body)) == (status, True, bool(text))
    connection.close()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods_are_malformed_requests(url: str, method: str) -> None:
    answer = requests.request(method, f"{url}/v1/models/demo", timeout=60)
    expected = "" if method == "HEAD" else f"Malformed request: {method} /v1/models/demo"
    assert (answer.status_code, answer.json()["error"] if expected else answer.text) == (400, expected)


def test_a_body_in_chunks_is_read(url: str) -> None:
    parts = [b'{"instances": ', b"[[[1, 1, 1, 1]]]}"]
    with requests.Session() as session:
        for _ in range(2):
            answer = session.post(f"{url}/v1/models/demo:predict", data=iter(parts), timeout=60)
            assert (answer.status_code, np.shape(answer.json()["predictions"])) == (200, (1, 3))


@ours
@pytest.mark.parametrize("body", [b"x\r\n{}\r\n0\r\n\r\n", b"2\r\n{}!\r\n", b"-2\r\n{}\r\n", b"\r\n", b"123456789\r\n"])
def test_chunks_that_are_none_are_refused(url: str, body: bytes) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        head = b"POST /v1/models/demo:predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + body)
        assert connection.makefile("rb").readline().split()[1] == b"411"


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
