"""Forms as people's programs write them: any name, several files, fields that do not belong."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

import pytest
import requests

from preprocess_gateway.core.answer import Answer
from preprocess_gateway.errors import DeadlineError, ModelUnavailableError
from preprocess_gateway.http.results import answer_each
from speech_emotion.errors import CorruptAudioError
from tests.preprocess_gateway.http.test_predict import assert_problem
from tests.support import clips
from tests.support.gateway import Gateway
from tests.support.memory import Peak, family
from tests.support.model_server import ModelServer
from tests.support.unsent import Unfinished
from tests.support.waiting import until

BOUNDARY = b"frontier"
FORM = {"Content-Type": "multipart/form-data; boundary=frontier"}
MIB = 1024 * 1024


def part(disposition: bytes, content: bytes, *headers: bytes) -> bytes:
    head = b"\r\n".join([b"Content-Disposition: form-data; " + disposition, *headers])
    return b"--" + BOUNDARY + b"\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


def post(gateway: Gateway, *parts: bytes) -> requests.Response:
    body = b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"
    return requests.post(f"{gateway.url}/predict", data=body, headers=FORM, timeout=30)


@pytest.mark.parametrize(
    "disposition",
    [
        b'name="file"; filename="caf\xe9.wav"',
        b'name="file"; filename="\x83\x65\x83\x58\x83\x67.wav"',
        b'name="file"; filename="\xff\xfe\x00\x80.wav"',
        'name="file"; filename="Aufnahme für Öl ☎.wav"'.encode(),
        b"name=\"file\"; filename*=UTF-8''na%C3%AFve.wav",
        b"name=\"file\"; filename*=utf-8''%ff%fe.wav",
        b"name=\"file\"; filename*=no-such-charset''a.wav",
        b'name="file"; filename="a \\"quoted\\" name; with = signs.wav"',
        b'name="file"; filename="an "unescaped" quote.wav"',
        b'name="file"; filename="without an end',
        b'name="file"; filename=caf\xe9 au lait.wav',
        b'name="file"; FileName="a.wav"',
        b"name=\"file\"; filename*0*=UTF-8''a; filename*1=b.wav",
        b'name="file"; filename=',
        b'name="file"; filename=""',
        b"name=file; filename=bare.wav",
        b'filename="first.wav"; name="file"',
        b'name="file"; filename="' + b"\xe4" * 500 + b'.wav"',
        b'name="file"; filename="../../etc/passwd"',
    ],
)
def test_a_file_is_answered_whatever_its_name(gateway: Gateway, disposition: bytes) -> None:
    response = post(gateway, part(disposition, clips.tone()))
    assert response.status_code == 200, response.text


def test_other_fields_may_have_any_bytes_too(gateway: Gateway) -> None:
    response = post(
        gateway,
        part(b'name="n\xe4me"', b"\xff\xfe"),
        part(b'name="file"; filename="a.wav"', clips.tone(), b"Content-Type: audio/w\xe4v"),
    )
    assert response.status_code == 200, response.text


def without_id(body: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if name != "request_id"}


def test_several_files_get_what_each_alone_gets_in_their_order(gateway: Gateway) -> None:
    contents = [clips.tone(), b"no audio at all", clips.tone(2.0, format="FLAC"), b"", clips.tone()]
    response = requests.post(
        f"{gateway.url}/predict?timeline=true&top=1",
        files=[("file", (f"{number}.wav", content)) for number, content in enumerate(contents)],
        timeout=30,
    )
    assert response.status_code == 200, response.text
    body = response.json()
    assert set(body) == {"results", "request_id"}
    assert body["request_id"] == response.headers["X-Request-ID"]
    alone = [
        requests.post(f"{gateway.url}/predict?timeline=true&top=1", files={"file": content}, timeout=30).json()
        for content in contents
    ]
    assert [without_id(each) for each in body["results"]] == [without_id(each) for each in alone]
    assert {each["request_id"] for each in body["results"]} == {body["request_id"]}
    assert [each.get("code") for each in body["results"]] == [None, "unsupported_format", None, "empty_audio", None]


def test_files_that_are_all_refused_are_a_list_of_problems(gateway: Gateway) -> None:
    body = requests.post(
        f"{gateway.url}/predict", files=[("file", ("a", b"text")), ("file", ("b", b"text"))], timeout=30
    )
    assert body.status_code == 200
    assert [(each["status"], each["code"]) for each in body.json()["results"]] == [(415, "unsupported_format")] * 2


FILE = b'name="file"; filename="a.wav"'
TONE = clips.tone()


@pytest.mark.parametrize(
    ("parts", "status", "code", "words"),
    [
        ([part(FILE, TONE)] * 9, 413, "form_too_large", "more than 8 files"),
        ([part(b'name="x"', b"1")] * 11, 413, "form_too_large", "more than 10 parts"),
        ([part(b'name="x"', bytes(600_000)), part(FILE, TONE)], 413, "form_too_large", "500000 bytes"),
        ([part(FILE, TONE, b"X: " + b"y" * 10_000)], 413, "form_too_large", "too long a header"),
        ([part(b'name="clip"; filename="a.wav"', TONE)], 400, "missing_file", "`clip`"),
        ([part(b'name="file[]"; filename="a.wav"', TONE)], 400, "missing_file", "`file[]`"),
        ([part(b'name="emotions"', b"calm,joy"), part(FILE, TONE)], 400, "bad_form", "?emotions=..."),
        ([part(FILE, TONE), part(b'name="top"', b"1")], 400, "bad_form", "`top`"),
        ([part(b'name="file"', TONE)], 400, "missing_file", "field `file` of the form has no file name"),
        ([part(FILE, TONE), part(b'name="second"; filename="b.wav"', TONE)], 400, "bad_form", "`second`"),
        ([part(FILE, TONE, b"Content-Transfer-Encoding: base64")], 415, "unsupported_media_type", "base64"),
        ([part(FILE, TONE, b"Content-Encoding: gzip")], 415, "unsupported_media_type", "gzip"),
        ([b"no form"], 400, "bad_form", "multipart"),
        ([part(FILE, TONE)[:-2]], 400, "bad_form", "ends before"),
        ([b"--frontier\r\nContent-Disposition: attachment\r\n\r\nx\r\n"], 400, "bad_form", "multipart"),
        ([b"--frontier\r\n\r\nx\r\n"], 400, "bad_form", "multipart"),
    ],
)
def test_a_form_that_cannot_be_answered_as_it_is_says_why(
    gateway: Gateway, parts: list[bytes], status: int, code: str, words: str
) -> None:
    response = post(gateway, *parts)
    assert_problem(response, status, code)
    assert words in response.json()["detail"]


def test_an_empty_field_for_another_file_is_nothing(gateway: Gateway) -> None:
    """Browsers send one for each file field that nobody filled in."""
    response = post(gateway, part(FILE, TONE), part(b'name="photo"; filename=""', b""))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("boundary", ["", "; boundary=", '; boundary=""'])
def test_a_form_without_a_boundary_is_refused(gateway: Gateway, boundary: str) -> None:
    headers = {"Content-Type": f"multipart/form-data{boundary}"}
    response = requests.post(f"{gateway.url}/predict", data=part(FILE, TONE), headers=headers, timeout=30)
    assert_problem(response, 400, "bad_form")


def failing(*errors: Exception) -> Callable[[bytes], Answer]:
    left = iter(errors)

    def answer(_clip: bytes) -> Answer:
        raise next(left)

    return answer


def test_a_service_that_answers_no_file_fails_as_a_whole() -> None:
    with pytest.raises(ModelUnavailableError, match="away"):
        answer_each([b"a", b"b"], failing(ModelUnavailableError("away"), DeadlineError("late")), "r")


def test_a_defect_costs_only_its_own_file(caplog: pytest.LogCaptureFixture) -> None:
    results = answer_each([b"a", b"b"], failing(ZeroDivisionError("a defect"), CorruptAudioError("b")), "r")
    assert [(each["status"], each["code"]) for each in results] == [(500, "internal_error"), (422, "corrupt_audio")]
    assert "a defect" in caplog.text


def test_what_is_held_is_counted_and_held_once(model_server: ModelServer) -> None:
    """Two forms of 15 MiB that never end fill a limit of 34 MiB, and take no more memory than it says."""
    head = b"POST /predict HTTP/1.1\r\nHost: g\r\nContent-Type: multipart/form-data; boundary=frontier\r\n"
    unfinished = part(FILE, bytes(15 * MIB))
    with ExitStack() as stack:
        gateway = stack.enter_context(Gateway(model_server.address, max_held_bytes=34 * MIB, read_timeout_s=600))
        assert gateway.predict(clips.tone()).status_code == 200
        assert gateway.process
        peak = Peak(family(gateway.process.pid)[1])
        data = head + b"Content-Length: %d\r\n\r\n" % (len(unfinished) + 100) + unfinished
        holders = stack.enter_context(Unfinished(gateway.port, data, count=2))
        answers: list[requests.Response] = []

        def is_full() -> bool:  # of those that arrive together, any may be refused
            answers.append(gateway.predict(bytes(4 * MIB)))
            return holders.wait() and answers[-1].status_code == 503

        until(is_full)
        assert_problem(answers[-1], 503, "overloaded")
        assert peak.above_idle_bytes() < 48 * MIB
