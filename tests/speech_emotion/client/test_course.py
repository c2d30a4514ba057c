"""What a live stream keeps, and what it sends again on a new connection, without a service."""

from __future__ import annotations

import json

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from speech_emotion.client.address import Address
from speech_emotion.client.backlog import KEPT_S, PIECE_BYTES, Backlog
from speech_emotion.client.calls import Attempts
from speech_emotion.client.course import FINISH, Course
from speech_emotion.client.errors import ProblemError, UnreachableError
from speech_emotion.client.live import LiveWindow, Now, StreamOptions

VERDICT = {"emotion": None, "confidence": None, "probabilities": None, "uncertain": False}
READY = '{"type": "ready", "stride_s": 2, "ahead_s": 50}'


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("speech_emotion.client.course.time.monotonic", clock)
    return clock


def course_of(sample_rate: int = 10) -> Course:
    """A stream of one byte for each sample."""
    options = StreamOptions(
        sample_rate=sample_rate, encoding="mulaw", channels=1, stride_s=None, top=None, emotions=None, model=None,
        affinity_key=None, traceparent=None,
    )  # fmt: skip
    return Course(options, Address.parse("http://127.0.0.1:1"), lambda: Attempts(30, 3))


def window(start_s: float, end_s: float) -> str:
    return json.dumps({"type": "window", "start_s": start_s, "end_s": end_s, **VERDICT})


def opened(course: Course) -> tuple[float, bytes, bool]:
    """Where a new connection begins, the samples that it gets, and whether it is finished."""
    start, rest = course.opening(), list(course.due())
    samples = b"".join(part for part in rest if isinstance(part, bytes))
    return json.loads(start)["start_s"], samples, rest[-1:] == [FINISH]


def test_what_is_answered_is_sent_no_more() -> None:
    course = course_of()
    course.keep(bytes(range(60)))
    assert opened(course) == (0.0, bytes(range(60)), False)
    course.read(READY)
    course.read(window(0, 4))
    assert opened(course) == (2.0, bytes(range(20, 60)), False)
    course.finished = True
    assert opened(course) == (2.0, bytes(range(20, 60)), True)


def test_each_sample_is_sent_once_and_no_faster_than_the_service_takes_it(clock: Clock) -> None:
    course = course_of()
    course.opening()
    course.read(READY)  # 80% of the 50 s are used
    course.keep(bytes(420))
    assert sum(map(len, course.due())) == 400
    assert course.wait_s == pytest.approx(0.25, abs=0.1)
    clock.now = 1
    assert sum(map(len, course.due())) == 10
    course.finished = True
    assert list(course.due()) == []  # not before all samples
    clock.now = 3
    assert list(course.due()) == [bytes(10), FINISH]
    assert list(course.due()) == []
    assert course.wait_s is None


def test_a_new_connection_counts_from_its_own_start(clock: Clock) -> None:
    course = course_of()
    course.opening()
    course.read(READY)
    course.keep(bytes(400))
    clock.now = 3600
    list(course.due())
    course.keep(bytes(100))
    assert opened(course)[:2] == (0.0, bytes(400))
    assert course.wait_s is not None


def test_a_service_that_does_not_say_how_far_ahead_it_takes_sound_has_the_default() -> None:
    course = course_of()
    course.opening()
    course.read('{"type": "ready", "stride_s": 2}')
    course.keep(bytes(420))
    assert sum(map(len, course.due())) == pytest.approx(240, abs=5)


@pytest.mark.parametrize(("stride_s", "last"), [(4, (4, 8)), (2, (4, 8)), (3, (4.3, 8.001))])
def test_a_summary_that_got_lost_is_asked_for_with_the_last_window_alone(
    stride_s: float, last: tuple[float, float]
) -> None:
    course = course_of()
    course.keep(bytes(range(80)))
    opened(course)
    course.read(json.dumps({"type": "ready", "stride_s": stride_s, "ahead_s": 30}))
    course.read(window(0, 4))
    course.finished = True
    assert list(course.due()) == [FINISH]
    now = '{"type": "now", "at_s": 8, "emotion": "sad", "confidence": 1, "probabilities": {}, "time_constant_s": 5}'
    assert isinstance(course.read(window(*last)), LiveWindow)
    assert isinstance(course.read(now), Now)
    assert isinstance(course.lost(ConnectionClosedError(None, None)), UnreachableError)
    begins = round(10 * last[0])
    assert opened(course) == (begins / 10, bytes(range(begins, 80)), True)
    assert course.read(window(*last)) is None  # it was answered before
    assert course.read(now) is None
    end = course.read('{"type": "end", "summary": {"emotion": null}}')
    assert end is not None
    assert course.lost(ConnectionClosedError(Close(1000, ""), None)) is None
    assert course.ended


def test_without_the_last_window_nothing_is_held_back() -> None:
    course = course_of()
    course.keep(bytes(80))
    opened(course)
    course.read(READY)
    course.read(window(0, 4))
    course.finished = True
    assert opened(course) == (2.0, bytes(60), True)
    assert isinstance(course.read(window(4, 8)), LiveWindow)


@pytest.mark.parametrize(
    ("status", "code", "close_code", "again"),
    [
        (503, "model_unavailable", 1013, True),
        (504, "deadline_exceeded", 1013, True),
        (429, "too_many_streams", 1013, True),
        (503, "shutting_down", 1012, True),
        (429, "stream_too_fast", 1008, False),
        (500, "internal_error", 1011, False),
        (503, "of_another_kind", 1008, False),
    ],
)
@pytest.mark.parametrize("said", [True, False])
def test_the_close_code_decides_whether_a_stream_goes_on(
    status: int, code: str, close_code: int, again: bool, said: bool
) -> None:
    course = course_of()
    problem = {
        "type": "error",
        "status": status,
        "code": code,
        "detail": "x",
        **({"close_code": close_code} if said else {}),
    }
    course.read(json.dumps(problem))
    error = course.lost(ConnectionClosedError(Close(close_code, ""), None))
    assert isinstance(error, ProblemError)
    assert (error.code, error.close_code, error.comes_again) == (code, close_code, again)
    if again:
        assert course.new_connection().pause_after(error) > 0
    else:
        with pytest.raises(ProblemError, match="x"):
            course.new_connection().pause_after(error)


def test_what_was_sent_is_kept_for_a_time_only_and_what_was_not_for_as_long_as_it_takes() -> None:
    backlog = Backlog(100, 1)
    for _ in range(5):
        backlog.add(bytes(100 * 60))
        list(backlog.take(1e6))
    assert backlog.rewind(0) == pytest.approx(300 - KEPT_S)
    backlog.add(bytes(100 * 600))
    assert backlog.rewind(0) == pytest.approx(300 - KEPT_S)
    assert sum(map(len, backlog.take(1e6))) == 100 * (600 + KEPT_S)


def test_pieces_are_what_a_message_takes_and_half_a_sample_is_no_beginning() -> None:
    backlog = Backlog(16_000, 4)
    backlog.add(bytes(3 * PIECE_BYTES + 2))
    assert [*map(len, backlog.take(100))] == [PIECE_BYTES, PIECE_BYTES, PIECE_BYTES, 2]
    backlog.rewind(100)
    assert [*map(len, backlog.take(100))] == [2]
