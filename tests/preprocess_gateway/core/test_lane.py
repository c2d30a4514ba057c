"""Who goes when: one step at a time, live work first, and short requests before both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from preprocess_gateway.core.lane import Lane, Lanes


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for(lane: Lane, waiting: int) -> None:
    while len(lane._waiting) < waiting:
        time.sleep(0.001)


def test_steps_come_one_at_a_time_live_ones_first_and_then_in_order_of_arrival() -> None:
    lane, order = Lane(0.25), list[str]()

    def step(name: str, live: bool) -> None:
        with lane.step(live=live):
            order.append(name)

    with lane.step():
        threads = []
        for number, (name, live) in enumerate([("first", False), ("second", False), ("live", True)], 1):
            threads.append(in_thread(lambda name=name, live=live: step(name, live)))
            wait_for(lane, number)
        assert order == []
    for thread in threads:
        thread.join()
    assert order == ["live", "first", "second"]


def test_without_a_short_request_no_step_waits() -> None:
    lane = Lane(0.0005)
    begun = time.monotonic()
    for _ in range(10):
        with lane.step():
            time.sleep(0.005)
    assert time.monotonic() - begun < 40  # with pauses, each of nine would take 10 s


def test_beside_short_requests_steps_take_their_share_and_no_more() -> None:
    lane, steps = Lane(0.2), 5
    with lane.short_request():
        begun = time.monotonic()
        for _ in range(steps + 1):
            with lane.step():
                time.sleep(0.01)
        # After each of the first five steps of 10 ms comes a pause of 40 ms.
        assert time.monotonic() - begun >= steps * 0.05


def test_a_step_begins_as_soon_as_the_last_short_request_is_answered() -> None:
    lane, done = Lane(0.0001), threading.Event()
    with lane.step():
        time.sleep(0.05)  # under this share the next step would come after minutes
    with lane.short_request(), lane.short_request():
        thread = in_thread(lambda: step_and_set(lane, done))
        wait_for(lane, 1)
        assert not done.is_set()
    thread.join()
    assert done.is_set()


def test_the_share_holds_for_a_while_after_a_short_request_as_the_next_one_may_follow() -> None:
    lane = Lane(0.01, hold_s=3.0)
    with lane.short_request():
        pass
    ended = time.monotonic()
    assert lane.contended
    with lane.step():
        time.sleep(0.2)  # under this share the next step would come after 20 s
    with lane.step():
        assert time.monotonic() - ended >= 3.0
        assert not lane.contended


def step_and_set(lane: Lane, done: threading.Event) -> None:
    with lane.step():
        done.set()


def test_a_step_that_fails_frees_the_lane() -> None:
    lane = Lane(0.25)
    with pytest.raises(ValueError, match="failed"), lane.step():
        raise ValueError("failed")
    with lane.step():
        pass


def test_a_short_request_counts_in_both_lanes() -> None:
    lanes = Lanes(0.25)
    with lanes.short_request():
        assert (lanes.hearing.contended, lanes.asking.contended) == (True, True)
    assert (lanes.hearing.contended, lanes.asking.contended) == (False, False)
