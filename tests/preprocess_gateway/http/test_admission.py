"""Slots, queue and what is refused: in process, and with more clients than a gateway takes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import requests

from preprocess_gateway.errors import OverloadedError
from preprocess_gateway.http.admission import Admission
from preprocess_gateway.quotas import Ledger, Quota
from speech_emotion.features import SEED_SPEC
from tests.preprocess_gateway.conftest import CONFIG, FLAGS, LABELS
from tests.support import clips, savedmodels
from tests.support.gateway import Gateway
from tests.support.load import post_raw, run_load
from tests.support.model_server import ModelServer
from tests.support.unsent import AWAITS, HEAD, answered, invited
from tests.support.waiting import until


def places(count: int) -> Quota:
    return Ledger().quota("places", count)


@contextmanager
def slot(admission: Admission, within_s: float) -> Iterator[None]:
    """What a request holds whose body arrived at once."""
    with admission.enter() as place, place.slot(time.monotonic() + within_s):
        yield


def test_a_full_queue_is_refused_at_once_and_a_wait_ends() -> None:
    two, answered = places(2), threading.Event()
    admission = Admission(1, two, wait_s=60)

    def wait() -> None:
        with slot(admission, 60):
            answered.set()

    with slot(admission, 60):
        waiter = threading.Thread(target=wait)
        waiter.start()
        until(lambda: two.taken == 2)
        with pytest.raises(OverloadedError) as refused, slot(admission, 60):
            pass
        assert refused.value.reason == "queue_full"
        assert not answered.is_set()
    waiter.join()
    assert answered.is_set()
    admission = Admission(1, places(2), wait_s=0.05)
    with slot(admission, 60), pytest.raises(OverloadedError) as refused, slot(admission, 60):
        pass
    assert refused.value.reason == "queue_timeout"


def test_a_slot_is_free_again_after_an_error() -> None:
    admission = Admission(1, places(1), wait_s=0)

    def fail() -> None:
        with slot(admission, 1):
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()


def test_nobody_waits_longer_than_the_deadline_leaves() -> None:
    admission = Admission(1, places(6), wait_s=60)
    with slot(admission, 60), pytest.raises(OverloadedError), slot(admission, 0.05):
        pass


def test_ten_times_too_many_are_answered_or_refused_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "speech_emotion"
    savedmodels.write_slow(folder / "1", SEED_SPEC.to_json(), LABELS, seconds=0.5)
    (tmp_path / "models.config").write_text(CONFIG.format(base=folder, stable=1))
    with (
        ModelServer(*FLAGS, config_file=tmp_path / "models.config") as server,
        Gateway(server.address, concurrency=1, queue=1, queue_s=60) as gateway,
    ):
        send = post_raw(f"{gateway.url}/predict", clips.tone())
        report = run_load(send, clients=20, requests_total=200, seconds=300, pause_s=0.02)
        assert set(report.counts) == {200, 503}
        assert report.counts[503] > report.counts[200] >= 2
        for record in report.failed:
            assert json.loads(record.body)["code"] == "overloaded"
        scrape = requests.get(f"{gateway.probes}/metrics", timeout=60).text
        assert (
            f'speech_emotion_shed_requests_total{{reason="queue_full",route="/predict"}} {report.counts[503]}.0'
            in scrape
        )
        with requests.Session() as session:
            assert send(session).status_code == 200  # and then it is as before


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway whose only place is taken for as long as tests run."""
    root = tmp_path_factory.mktemp("slow")
    savedmodels.write_slow(root / "speech_emotion" / "1", SEED_SPEC.to_json(), LABELS, seconds=600)
    (root / "models.config").write_text(CONFIG.format(base=root / "speech_emotion", stable=1))
    ended = threading.Event()
    with (
        ModelServer(*FLAGS, config_file=root / "models.config") as server,
        Gateway(server.address, concurrency=1, queue=0, workers=1, deadline_s=300, grace_s=1) as gateway,
    ):

        def ask() -> None:
            with suppress(requests.RequestException):  # nobody waits for the answer
                while not ended.is_set():
                    gateway.predict(clips.tone())

        asker = threading.Thread(target=ask)
        asker.start()
        # Nobody else asks, so nobody can hold the place instead of it.
        until(lambda: figure(gateway, 'speech_emotion_stage_duration_seconds_count{stage="admission"}') == 1)
        yield gateway
        ended.set()
        server.kill()
        asker.join()


def test_who_finds_no_place_is_told_before_sending_a_body(full: Gateway) -> None:
    body = bytes(500_000)
    with socket.create_connection(("127.0.0.1", full.port), timeout=60) as client:
        for _ in range(3):  # the body is skipped when it comes, and the connection kept
            client.sendall(HEAD.format(path="/predict", length=len(body)).encode() + b"\r\n")
            status, head = answered(client)
            assert (status, head["Retry-After"], head["Connection"]) == (503, "2", "keep-alive")
            client.sendall(body)
        client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: g\r\n\r\n")
        assert answered(client)[0] == 200


@pytest.mark.parametrize("path", ["/predict", "/v1/models/speech_emotion/predict"])
def test_the_door_refuses_as_the_application_does(full: Gateway, path: str) -> None:
    headers = {"Content-Type": "audio/wav", "X-Request-ID": "mine"}
    answers = [
        requests.post(full.url + path, data=clips.tone(), headers={**headers, **more}, timeout=60)
        for more in ({}, {"Origin": "https://example.org"})  # the application decides what another page may read
    ]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["request_id"] == "mine"
    door, application = ({name: value for name, value in each.headers.items() if name != "Date"} for each in answers)
    assert door == application
    assert answers[0].reason == answers[1].reason
    scrape = requests.get(f"{full.probes}/metrics", timeout=60).text
    rule = path.replace("speech_emotion", "<name>")
    [line] = [line for line in scrape.splitlines() if f'requests_total{{route="{rule}",status="503"}}' in line]
    assert float(line.split()[-1]) >= 2
    assert full.log.count('"request_id": "mine"') >= 2


def test_who_asks_before_sending_a_body_is_not_told_to_send_one_that_is_refused(full: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", full.port), timeout=60) as client:
        client.sendall(AWAITS.format(path="/predict", length=500_000).encode())
        status, head = answered(client)
        assert (status, head["Connection"]) == (503, "close")  # nobody knows whether the body still comes
        assert client.recv(1) == b""


def test_who_asks_before_sending_a_body_is_told_to_send_one_that_is_wanted(gateway: Gateway) -> None:
    clip = clips.tone()
    with invited(gateway.port, "/predict", len(clip)) as client:
        client.sendall(clip)
        assert answered(client)[0] == 200


def test_bodies_that_arrive_slowly_take_no_place_from_others(model_server: ModelServer) -> None:
    with (
        Gateway(model_server.address, concurrency=1, queue=0, workers=1, read_timeout_s=300) as gateway,
        ExitStack() as stack,
    ):
        for _ in range(3):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", gateway.port), timeout=60))
            client.sendall(HEAD.format(path="/predict", length=100_000).encode() + b"\r\nx")
        until(lambda: in_progress(gateway) > 0)
        until(lambda: gateway.predict(clips.tone()).status_code == 200)  # before the slow ones' time is over
        assert in_progress(gateway) > 0


def in_progress(gateway: Gateway) -> float:
    return figure(gateway, "speech_emotion_requests_in_progress")


def figure(gateway: Gateway, series: str) -> float:
    scrape = requests.get(f"{gateway.probes}/metrics", timeout=60).text
    [line] = [line for line in scrape.splitlines() if line.startswith(f"{series} ")]
    return float(line.split()[-1])
