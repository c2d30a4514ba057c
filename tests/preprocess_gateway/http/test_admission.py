"""Slots, queue and what is refused: in process, and with more clients than a gateway takes."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import requests

from preprocess_gateway.errors import OverloadedError
from preprocess_gateway.http.admission import Admission
from speech_emotion.features import SEED_SPEC
from tests.preprocess_gateway.conftest import CONFIG, FLAGS, LABELS
from tests.support import clips, savedmodels
from tests.support.gateway import Gateway
from tests.support.load import post_raw, run_load
from tests.support.model_server import ModelServer


def test_a_full_queue_is_refused_at_once_and_a_wait_ends() -> None:
    admission = Admission(slots=1, queue=1, wait_s=1.0)
    reasons, together = [], threading.Barrier(2)

    def ask() -> None:
        together.wait()
        with pytest.raises(OverloadedError) as refused, admission.enter(time.monotonic() + 60):
            pass
        reasons.append(refused.value.reason)

    with admission.enter(time.monotonic() + 60):
        askers = [threading.Thread(target=ask) for _ in range(2)]
        for asker in askers:
            asker.start()
        for asker in askers:
            asker.join()
    # One place is left for two: who comes second is told first.
    assert reasons == ["queue_full", "queue_timeout"]


def test_a_slot_is_free_again_after_an_error() -> None:
    admission = Admission(slots=1, queue=0, wait_s=0)

    def fail() -> None:
        with admission.enter(time.monotonic() + 1):
            raise ZeroDivisionError

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            fail()


def test_nobody_waits_longer_than_the_deadline_leaves() -> None:
    admission = Admission(slots=1, queue=5, wait_s=60)
    with (
        admission.enter(time.monotonic() + 60),
        pytest.raises(OverloadedError),
        admission.enter(time.monotonic() + 0.05),
    ):
        pass


def test_ten_times_too_many_are_answered_or_refused_and_counted(tmp_path: Path) -> None:
    folder = tmp_path / "speech_emotion"
    savedmodels.write_slow(folder / "1", SEED_SPEC.to_json(), LABELS, seconds=0.2)
    (tmp_path / "models.config").write_text(CONFIG.format(base=folder, stable=1))
    with (
        ModelServer(*FLAGS, config_file=tmp_path / "models.config") as server,
        Gateway(server.address, concurrency=1, queue=1, queue_s=5) as gateway,
    ):
        send = post_raw(f"{gateway.url}/predict", clips.tone())
        report = run_load(send, clients=20, requests_total=200, seconds=60, pause_s=0.02)
        assert set(report.counts) == {200, 503}
        assert report.counts[503] > report.counts[200] >= 2
        for record in report.failed:
            assert json.loads(record.body)["code"] == "overloaded"
        scrape = requests.get(f"{gateway.probes}/metrics", timeout=10).text
        assert f'speech_emotion_shed_requests_total{{reason="queue_full"}} {report.counts[503]}.0' in scrape
        with requests.Session() as session:
            assert send(session).status_code == 200  # and then it is as before
