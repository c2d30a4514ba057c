"""The clock of a stream."""

from __future__ import annotations

import pytest

from preprocess_gateway.errors import StreamIdleError, StreamTooFastError, StreamTooLongError
from preprocess_gateway.http.live.pace import Pace
from preprocess_gateway.settings import Settings


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    settings = Settings(
        stream_ahead_s=10, stream_max_frames_per_s=10, stream_idle_s=5, stream_start_s=2, stream_max_s=60
    )
    return Pace(settings, clock)


def test_sound_may_be_ahead_of_real_time_by_so_much(pace: Pace, clock: Clock) -> None:
    pace.advance(10.0, waited=True)
    clock.now += 3
    pace.advance(3.0, waited=True)
    with pytest.raises(StreamTooFastError):
        pace.advance(0.1, waited=True)


def test_frames_are_counted_over_the_time_and_what_may_come_at_once(pace: Pace, clock: Clock) -> None:
    pace.check_frames(100)
    clock.now += 1
    pace.check_frames(10)
    with pytest.raises(StreamTooFastError):
        pace.check_frames(1)


def test_a_little_sound_now_and_then_is_idle(pace: Pace, clock: Clock) -> None:
    for _ in range(5):
        pace.advance(0.01, waited=True)
        clock.now += 1
        pace.check_time(started=True)
    clock.now += 0.1
    with pytest.raises(StreamIdleError):
        pace.check_time(started=True)


def test_the_first_message_and_the_whole_stream_have_a_time(pace: Pace, clock: Clock) -> None:
    clock.now += 2.1
    with pytest.raises(StreamIdleError, match="first message"):
        pace.check_time(started=False)
    clock.now += 60
    with pytest.raises(StreamTooLongError):
        pace.check_time(started=True)


def test_lag_counts_from_when_sound_came_or_should_have_been_heard(pace: Pace, clock: Clock) -> None:
    clock.now += 4
    pace.advance(4.0, waited=True)
    clock.now += 0.3
    assert pace.lag_s(4.0) == pytest.approx(0.3)
    clock.now += 2.0  # the gateway was busy: what came meanwhile was not waited for
    pace.advance(2.0, waited=False)
    assert pace.lag_s(6.0) == pytest.approx(0.3)
    clock.now += 10.0  # the client paused
    pace.advance(1.0, waited=True)
    assert pace.lag_s(7.0) == pytest.approx(0.0)
