"""A bounded number of calls at once: one more is refused, or waits."""

from __future__ import annotations

import threading

import pytest

from model_server.errors import Code, ServingError
from model_server.gate import Gate


def test_a_call_without_a_place_is_refused_and_the_place_comes_back() -> None:
    gate = Gate(1)
    for _ in range(2):
        with gate.place(), pytest.raises(ServingError) as refused, gate.place():
            pass
        assert (refused.value.code, refused.value.message) == (Code.RESOURCE_EXHAUSTED, "Server Threadpool Exhausted")


def test_a_call_that_fails_gives_its_place_back() -> None:
    gate = Gate(1)
    with pytest.raises(ZeroDivisionError), gate.place():
        _ = 1 / 0
    with gate.place():
        pass


def test_a_call_that_waits_gets_the_place_of_one_that_ends() -> None:
    gate, served = Gate(1), threading.Event()

    def wait() -> None:
        with gate.place(wait=True):
            served.set()

    waiting = threading.Thread(target=wait)
    with gate.place():
        waiting.start()
        assert not served.is_set()
    assert served.wait(10)
    waiting.join()
