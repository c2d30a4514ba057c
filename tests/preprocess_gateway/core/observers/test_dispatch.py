"""Observers: told after the answer, bounded in memory and work, and unable to harm anybody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np
import pytest

from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.core.answer import Answer, Audio, Model
from preprocess_gateway.core.observers.dispatch import Observers
from preprocess_gateway.core.observers.observer import Clip, Observation, Observer
from preprocess_gateway.telemetry import tracing
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.audio import AudioInfo
from speech_emotion.contract import Description
from speech_emotion.errors import ContractError
from speech_emotion.features import SEED_SPEC
from tests.support.waiting import until

WAIT_S = 60.0
SAMPLES = np.zeros((1, 1000), np.float32)
FEATURES = np.zeros((1, 2, 3), np.float32)
EACH_BYTES = SAMPLES.nbytes + FEATURES.nbytes


def seen(emotion: str = "joy") -> Observation:
    info = AudioInfo("WAV", "PCM_16", 10_000, 1, 1000)
    answer = Answer(
        emotion=emotion,
        confidence=1.0,
        probabilities={emotion: 1.0},
        uncertain=False,
        warnings=(),
        model=Model(name="m", version=1, label="stable"),
        audio=Audio(duration_s=0.1, sample_rate=10_000, channels=1, format="WAV"),
    )
    version = ServedVersion("stable", 1, Description(SEED_SPEC, ("joy", "sorrow"), {}))
    return Observation(Clip(SAMPLES, info), FEATURES, answer, version)


@dataclass
class Recording:
    """Keeps what it sees; stands in `observe` until it may go on."""

    name: str = "recording"
    emotions: tuple[str, ...] = ("joy", "sorrow")
    fails: BaseException | None = None
    fails_to_close: Exception | None = None
    may_go_on: threading.Event = field(default_factory=threading.Event)
    inside: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    seen: list[Observation] = field(default_factory=list)
    closed: bool = False

    def wants(self, answer: Answer) -> bool:
        return answer.emotion in self.emotions

    def observe(self, seen: Observation) -> None:
        self.inside.release()
        assert self.may_go_on.wait(WAIT_S)
        if self.fails:
            raise self.fails
        self.seen.append(seen)

    def close(self) -> None:
        self.closed = True
        if self.fails_to_close:
            raise self.fails_to_close


def going(**fields: object) -> Recording:
    recording = Recording(**fields)  # type: ignore[arg-type]
    recording.may_go_on.set()
    return recording


@contextmanager
def told(*observers: Observer, threads: int = 1, room: int = 10) -> Iterator[tuple[Observers, Callable[..., float]]]:
    """Observers with room for so many clips, and how often each outcome was counted."""
    metrics = Metrics()

    def count(name: str, outcome: str) -> float:
        labels = {"observer": name, "outcome": outcome}
        return metrics.registry.get_sample_value("speech_emotion_observations_total", labels) or 0.0

    running = Observers(observers, metrics, threads, room * EACH_BYTES)
    try:
        yield running, count
    finally:
        running.close()


def test_each_clip_reaches_the_observers_that_want_it() -> None:
    happy, all_of_them = going(name="happy", emotions=("joy",)), going(name="all")
    with told(happy, all_of_them) as (observers, count):
        for emotion in ("joy", "sorrow", "calm"):
            observers.tell(seen(emotion))
        for _ in range(2):
            assert all_of_them.inside.acquire(timeout=WAIT_S)
    assert [one.answer.emotion for one in happy.seen] == ["joy"]
    assert [one.answer.emotion for one in all_of_them.seen] == ["joy", "sorrow"]
    assert (count("happy", "observed"), count("all", "observed")) == (1, 2)
    assert happy.closed
    assert all_of_them.closed


def test_clips_beyond_the_memory_are_dropped_and_counted_until_there_is_room_again() -> None:
    slow = Recording()
    with told(slow, room=3) as (observers, count):
        for _ in range(5):  # one is inside, two wait
            observers.tell(seen())
        assert count("recording", "dropped") == 2
        slow.may_go_on.set()
        for _ in range(3):
            assert slow.inside.acquire(timeout=WAIT_S)
        observers.close()
    assert count("recording", "observed") == 3
    with told(slow, room=0) as (observers, count):
        observers.tell(seen())
        assert count("recording", "dropped") == 1


def test_room_is_given_back_by_clips_that_were_observed_and_that_failed() -> None:
    for recording in (going(), going(fails=ValueError("broken"))):
        with told(recording, room=1) as (observers, count):
            for _ in range(3):
                observers.tell(seen())
                until(lambda: observers._held_bytes == 0)
            assert count("recording", "dropped") == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_so_many_clips_are_observed_at_once(threads: int) -> None:
    slow = Recording()
    with told(slow, threads=threads) as (observers, _):
        for _ in range(4):
            observers.tell(seen())
        for _ in range(threads):
            assert slow.inside.acquire(timeout=WAIT_S)
        assert not slow.inside.acquire(blocking=False)
        slow.may_go_on.set()


def test_a_failure_is_logged_with_the_requests_ids_and_the_next_observer_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken, known, good = (
        going(name="broken", fails=ValueError("no such bucket")),
        going(name="known", fails=ContractError("the model refused")),
        going(name="good"),
    )
    traces = []

    class Remember(logging.Filter):
        def filter(self, _record: logging.LogRecord) -> bool:
            traces.append(tracing.current.get())
            return True

    caplog.handler.addFilter(remember := Remember())
    trace = tracing.Trace.of("me", None)
    token = tracing.current.set(trace)
    try:
        with told(broken, known, good) as (observers, count), caplog.at_level(logging.WARNING):
            observers.tell(seen())
            assert good.inside.acquire(timeout=WAIT_S)
    finally:
        tracing.current.reset(token)
        caplog.handler.removeFilter(remember)
    assert [record.getMessage() for record in caplog.records] == [
        "the observer broken failed: no such bucket",
        "the observer known failed: the model refused",
    ]
    assert [bool(record.exc_info) for record in caplog.records] == [True, False]  # a defect has its traceback
    assert traces == [trace, trace]
    assert [count(name, "failed") for name in ("broken", "known", "good")] == [1, 1, 0]
    assert count("good", "observed") == 1


def test_nothing_else_of_the_request_stays_in_memory() -> None:
    """Flask keeps its request in a context variable; a clip that waits must not keep the request too."""
    variable: ContextVar[str | None] = ContextVar("request", default=None)
    found = []

    class Looking(Recording):
        def observe(self, seen: Observation) -> None:
            super().observe(seen)
            found.append(variable.get())

    token = variable.set("a large body")
    try:
        with told(looking := Looking()) as (observers, _):
            looking.may_go_on.set()
            observers.tell(seen())
            assert looking.inside.acquire(timeout=WAIT_S)
    finally:
        variable.reset(token)
    assert found == [None]


def test_one_that_exits_or_cannot_be_closed_is_counted_and_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    leaving, stuck, good = (
        going(name="leaving", fails=SystemExit("done here")),
        going(name="stuck", fails_to_close=OSError("the disk is full")),
        going(name="good"),
    )
    with told(leaving, stuck, good) as (observers, count):
        observers.tell(seen())
        assert good.inside.acquire(timeout=WAIT_S)
        until(lambda: observers._held_bytes == 0)
    assert (good.closed, len(good.seen)) == (True, 1)
    assert (count("leaving", "failed"), count("stuck", "failed"), count("good", "failed")) == (1, 1, 0)
    assert "the observer leaving failed: done here" in caplog.text
    assert "the observer stuck failed: the disk is full" in caplog.text


def test_an_observer_that_cannot_decide_does_not_reach_the_client(caplog: pytest.LogCaptureFixture) -> None:
    class Undecided(Recording):
        def wants(self, answer: Answer) -> bool:
            raise ZeroDivisionError(answer.emotion)

    good = going(name="good")
    with told(Undecided("undecided"), good) as (observers, count):
        observers.tell(seen())
        assert good.inside.acquire(timeout=WAIT_S)
    assert (count("undecided", "failed"), count("good", "observed")) == (1, 1)
    assert "the observer undecided failed: joy" in caplog.text


def test_closing_forgets_what_waits_and_ends_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Recording()
    with told(slow) as (observers, count):
        for _ in range(3):
            observers.tell(seen())
        assert slow.inside.acquire(timeout=WAIT_S)
        shutdown = observers._executor.shutdown

        def let_go_meanwhile(*, wait: bool, cancel_futures: bool) -> None:
            shutdown(wait=False, cancel_futures=cancel_futures)
            slow.may_go_on.set()
            shutdown(wait=wait)

        monkeypatch.setattr(observers._executor, "shutdown", let_go_meanwhile)
        observers.close()
        monkeypatch.undo()
        observers.tell(seen())  # too late: neither an error nor a clip that is held for ever
        assert count("recording", "observed") == 1
        assert len(slow.seen) == 1
