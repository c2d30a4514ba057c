"""What is loaded follows what is wanted: order, retries, and never a gap. The load itself is injected."""

from __future__ import annotations

import threading
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model_server.errors import Code, ServingError
from model_server.loader import Loader, State
from tests.support.waiting import until

P = Path("/nowhere")


class Loads:
    """A load function that notes its calls, fails on demand and can be held."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.failures: dict[int, int] = {}
        self.go = threading.Event()
        self.go.set()

    def __call__(self, name: str, number: int, path: Path) -> Any:
        self.calls.append((name, number))
        assert self.go.wait(60)
        if self.failures.get(number, 0) > 0:
            self.failures[number] -= 1
            raise ServingError(Code.DATA_LOSS, "torn")
        return SimpleNamespace(name=name, version=number, path=path)


@pytest.fixture
def loads() -> Loads:
    return Loads()


def states(loader: Loader, name: str = "m") -> dict[int, State]:
    return {number: state for number, state, _ in loader.states(name)}


def test_the_newest_version_is_loaded_first_and_serves_by_default(loads: Loads) -> None:
    loader = Loader(loads)
    loads.go.clear()
    loader.want("m", {1: P, 3: P, 2: P})
    assert loader.servable("m", None) is None
    loads.go.set()
    until(lambda: set(states(loader).values()) == {State.AVAILABLE})
    assert loads.calls == [("m", 3), ("m", 2), ("m", 1)]
    assert [number for number, _, _ in loader.states("m")] == [3, 2, 1]
    assert loader.servable("m", None).version == 3  # type: ignore[union-attr]
    assert loader.servable("m", 1).version == 1  # type: ignore[union-attr]
    assert loader.servable("m", 4) is None
    assert loader.servable("other", None) is None


def test_the_old_version_serves_until_the_new_one_is_loaded(loads: Loads) -> None:
    loader = Loader(loads)
    loader.want("m", {1: P})
    until(lambda: states(loader) == {1: State.AVAILABLE})
    loads.go.clear()
    loader.want("m", {2: P})
    until(lambda: ("m", 2) in loads.calls)
    assert states(loader) == {1: State.AVAILABLE, 2: State.LOADING}
    assert loader.servable("m", None).version == 1  # type: ignore[union-attr]
    loads.go.set()
    until(lambda: states(loader) == {1: State.END, 2: State.AVAILABLE})
    assert loader.servable("m", 1) is None


def test_the_old_version_stays_when_the_new_one_cannot_be_loaded(loads: Loads) -> None:
    loads.failures[2] = 99
    loader = Loader(loads, max_retries=0)
    loader.want("m", {1: P})
    until(lambda: states(loader) == {1: State.AVAILABLE})
    loader.want("m", {2: P})
    until(lambda: states(loader).get(2) is State.END)
    assert states(loader)[1] is State.AVAILABLE
    assert loader.states("m")[0][2].message == "torn"  # type: ignore[union-attr]


def test_a_failed_load_is_tried_again_while_others_load(loads: Loads) -> None:
    loads.failures[2] = 2
    loader = Loader(loads, max_retries=5, retry_interval_s=1.0)
    loader.want("m", {1: P, 2: P})
    until(lambda: states(loader) == {1: State.AVAILABLE, 2: State.AVAILABLE})
    assert loads.calls == [("m", 2), ("m", 1), ("m", 2), ("m", 2)]
    assert all(error is None for _, _, error in loader.states("m"))


@pytest.mark.parametrize(("load_threads", "then"), [(0, [2, 2, 3]), (1, [2, 2, 3]), (2, [2, 3, 2])])
def test_after_the_start_a_failed_version_occupies_a_load_thread(
    loads: Loads, load_threads: int, then: list[int]
) -> None:
    loads.failures[2] = 1
    loader = Loader(loads, retry_interval_s=3.0 if load_threads == 2 else 0.5, load_threads=load_threads)
    loader.want("m", {1: P})
    loader.wait_until_served(["m"], 60)
    loader.end_of_start()
    loader.want("m", {1: P, 2: P})
    until(lambda: len(loads.calls) == 2)
    loader.want("m", {1: P, 2: P, 3: P})
    until(lambda: set(states(loader).values()) == {State.AVAILABLE})
    assert [number for _, number in loads.calls] == [1, *then]


def test_a_version_that_waits_for_its_next_try_is_loading_without_error(loads: Loads) -> None:
    loads.failures[1] = 99
    loader = Loader(loads, retry_interval_s=60)
    loader.want("m", {1: P})
    until(lambda: len(loads.calls) == 1)
    assert loader.states("m") == [(1, State.LOADING, None)]
    loader.want("m", {})
    until(lambda: states(loader) == {1: State.END})
    assert len(loads.calls) == 1


def test_an_unforeseen_exception_fails_that_version_only(loads: Loads) -> None:
    def load(name: str, number: int, path: Path) -> Any:
        if number == 2:
            raise ZeroDivisionError("odd")
        return loads(name, number, path)

    loader = Loader(load, max_retries=0)
    loader.want("m", {1: P, 2: P})
    until(lambda: states(loader) == {1: State.AVAILABLE, 2: State.END})
    assert loader.states("m")[0][2].code is Code.UNKNOWN  # type: ignore[union-attr]


def test_a_failed_load_keeps_nothing_of_what_it_had_in_memory() -> None:
    held: list[weakref.ref[Loads]] = []

    def load(*_: object) -> Any:
        session = Loads()
        held.append(weakref.ref(session))
        try:
            raise KeyError("no such op")
        except KeyError as error:
            raise ServingError(Code.DATA_LOSS, "torn") from error

    for retries in (0, 1):
        loader = Loader(load, max_retries=retries, retry_interval_s=0.01)
        loader.want("m", {1: P})
        until(lambda: states(loader) == {1: State.END})  # noqa: B023
        error = loader.states("m")[0][2]
        assert (error.code, error.message) == (Code.DATA_LOSS, "torn")  # type: ignore[union-attr]
    until(lambda: all(session() is None for session in held))
    assert len(held) == 3


def test_nothing_wanted_unloads_everything_and_a_return_loads_anew(loads: Loads) -> None:
    loader = Loader(loads)
    loader.want("m", {1: P})
    until(lambda: states(loader) == {1: State.AVAILABLE})
    loader.want("m", {})
    until(lambda: states(loader) == {1: State.END})
    assert loader.servable("m", None) is None
    loader.want("m", {1: P})
    until(lambda: states(loader) == {1: State.AVAILABLE})
    assert loads.calls == [("m", 1), ("m", 1)]


def test_wanting_the_same_again_does_nothing(loads: Loads) -> None:
    loader = Loader(loads, max_retries=0)
    loads.failures[1] = 1
    loader.want("m", {1: P})
    until(lambda: states(loader) == {1: State.END})
    loader.want("m", {1: P})
    loader.want("m", {1: P, 2: P})
    until(lambda: states(loader)[2] is State.AVAILABLE)
    assert states(loader) == {1: State.END, 2: State.AVAILABLE}


def test_waiting_ends_when_all_are_served_or_one_failed_for_good(loads: Loads) -> None:
    loader = Loader(loads, max_retries=0)
    loads.failures[7] = 1
    loader.want("good", {1: P})
    loader.wait_until_served(["good"], 60)
    loader.wait_until_served([])
    loader.want("bad", {7: P})
    with pytest.raises(ServingError) as failed:
        loader.wait_until_served(["good", "bad"], 60)
    assert failed.value.code is Code.UNKNOWN
    assert failed.value.message == (
        "1 servable(s) did not become available: {{{name: bad version: 7} due to error: DATA_LOSS: torn}}"
    )
    with pytest.raises(ServingError, match="Still waiting for models: absent"):
        loader.wait_until_served(["absent"], 0.01)


def test_waiting_lasts_until_a_failing_version_is_given_up_beside_one_that_is_served(loads: Loads) -> None:
    loads.failures[2] = 2
    loader = Loader(loads, max_retries=1, retry_interval_s=0.05)
    loader.want("m", {1: P, 2: P})
    loader.wait_until_served(["m"], 60)
    assert states(loader) == {1: State.AVAILABLE, 2: State.END}


def test_a_version_given_up_before_any_other_is_served_ends_the_wait_with_its_error(loads: Loads) -> None:
    loads.failures[2] = 1
    loader = Loader(loads, max_retries=0)
    loader.want("m", {1: P, 2: P})
    with pytest.raises(ServingError, match=r"1 servable.* did not become available: .*version: 2.*torn"):
        loader.wait_until_served(["m"], 60)
