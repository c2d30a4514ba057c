"""Questions that gather while a call is under way."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np

from preprocess_gateway.context import RequestContext
from preprocess_gateway.core.lane import Lanes
from preprocess_gateway.errors import ModelUnavailableError
from speech_emotion.errors import ContractError


class Slow:
    """A model whose first call waits until it is let go; answers the mean of each window."""

    name = "speech_emotion"

    def __init__(self, error: Exception | None = None, bad: float | None = None) -> None:
        self.calls: list[int] = []
        self.go, self.begun = threading.Event(), threading.Event()
        self._error, self._bad = error, bad

    def ask(self, features: np.ndarray, _version: object, _context: object) -> np.ndarray:
        self.calls.append(len(features))
        if len(self.calls) == 1:
            self.begun.set()
            assert self.go.wait(60)
        elif self._error:
            raise self._error
        if (features == self._bad).any():
            raise ContractError("the answer is not finite")
        return features.mean(axis=(1, 2))[:, np.newaxis]


def gather(model: Slow, counts: list[int], most: int, version: Any = None, lanes: Lanes | None = None) -> list[Any]:
    """Ask once, then so many windows from a thread each while the first call is under way; all their outcomes."""
    lanes = lanes or Lanes(1.0, most)

    def ask(number: int, windows: int) -> Any:
        features = np.full((windows, 2, 3), number, np.float32)
        named = SimpleNamespace(version=(version or (lambda _: 1))(number))
        try:
            return lanes.together.ask(model, features, named, RequestContext(time.monotonic() + 120))  # type: ignore[arg-type]
        except (ContractError, ModelUnavailableError) as error:
            return error

    with ThreadPoolExecutor(len(counts) + 1) as pool:
        first = pool.submit(ask, 0, 1)
        assert model.begun.wait(60)
        rest = [pool.submit(ask, number, windows) for number, windows in enumerate(counts, 1)]
        while len(lanes.together._waiting) < len(counts):
            time.sleep(0.01)
        model.go.set()
        return [future.result(60) for future in [first, *rest]]


def test_what_gathers_goes_in_one_call_and_each_gets_its_own_rows() -> None:
    model = Slow()
    rows = gather(model, [1, 2, 1], most=32)
    assert model.calls == [1, 4]
    for number, windows in enumerate([1, 1, 2, 1]):
        np.testing.assert_array_equal(rows[number], np.full((windows, 1), number))


def test_a_call_has_a_bound() -> None:
    model = Slow()
    gather(model, [2, 2, 2], most=4)
    assert sorted(model.calls[1:]) == [2, 4]


def test_a_call_beside_a_short_request_is_short() -> None:
    model, lanes = Slow(), Lanes(1.0, 8)
    with lanes.short_request():
        assert len(gather(model, [1] * 4, most=8, lanes=lanes)) == 5
    assert model.calls == [1, 2, 2]


def test_versions_are_not_mixed() -> None:
    model = Slow()
    rows = gather(model, [1, 1, 1, 1], most=32, version=lambda number: number % 2)
    assert model.calls == [1, 2, 2]
    assert [float(row[0, 0]) for row in rows] == [0, 1, 2, 3, 4]


def test_an_error_is_that_of_all_in_the_call() -> None:
    error = ModelUnavailableError("away")
    first, *rest = gather(Slow(error), [1, 1], most=32)
    assert float(first[0, 0]) == 0
    assert all(one is error for one in rest)


def test_windows_that_break_the_contract_are_an_error_of_their_own_stream() -> None:
    model = Slow(bad=2)
    outcomes = gather(model, [1, 2, 1], most=32)
    assert (model.calls[:2], sorted(model.calls[2:])) == ([1, 4], [1, 1, 2])
    assert [isinstance(outcome, ContractError) for outcome in outcomes] == [False, False, True, False]
    assert [float(outcomes[number][0, 0]) for number in (0, 1, 3)] == [0, 1, 3]
