"""A recording from its bytes to its events, with a model that does as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np
import pytest

from preprocess_gateway.backend.connection import VersionNotFoundError
from preprocess_gateway.backend.versions import ServedVersion
from preprocess_gateway.core.answer import LongWindow
from preprocess_gateway.core.lane import Lanes
from preprocess_gateway.core.recordings import EndedSegment, Event, Progress, Recordings
from preprocess_gateway.core.served_models import ServedModel
from preprocess_gateway.core.summary import RecordingAnswer
from preprocess_gateway.core.windows import Asking
from preprocess_gateway.errors import VersionChangedError
from preprocess_gateway.settings import Settings
from preprocess_gateway.telemetry.metrics import Metrics
from speech_emotion.errors import ContractError, DurationError, NonFiniteAudioError
from tests.preprocess_gateway.core.test_windows import OTHER, Array, Model, level, version
from tests.support import clips


def events(model: Model, data: bytes, **settings: object) -> Iterator[Event]:
    told = Settings.model_validate({"model_server": "127.0.0.1:1", "lane_batch": 2, **settings})
    return Recordings(told, Lanes(0.25), Metrics(), None).answer(cast(ServedModel, model), data, Asking())


def told_before(error: type[Exception], coming: Iterator[Event]) -> list[Event]:
    """What comes before the error that ends it."""
    found: list[Event] = []
    try:
        for event in coming:
            found.append(event)
    except error:
        return found
    raise AssertionError(found)


def windows(found: list[Event]) -> list[LongWindow]:
    return [event for event in found if isinstance(event, LongWindow)]


def test_progress_windows_and_segments_come_in_order_and_the_answer_last() -> None:
    found = list(events(Model(version(1)), clips.tone(12.0)))
    assert isinstance(found[0], Progress)
    assert found[0].duration_s == 12
    told = windows(found)
    assert [window.start_s for window in told] == list(range(11))
    answer = found[-1]
    assert isinstance(answer, RecordingAnswer)
    assert answer.windows == 11
    assert tuple(event.segment for event in found if isinstance(event, EndedSegment)) == answer.segments
    heard = [event.heard_s for event in found if isinstance(event, Progress)]
    assert heard == sorted(heard)
    assert heard[-1] == 12


@pytest.mark.parametrize("samples", [59_259, 59_251, 120_007])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_windows_and_segments_end_with_the_recording(samples: int, rate: int) -> None:
    clip = clips.encode(clips.speech_like(samples / rate + 1, rate)[:samples], rate)
    found = list(events(Model(version(1)), clip))
    answer = found[-1]
    assert isinstance(answer, RecordingAnswer)
    assert answer.audio.duration_s == round(samples / rate, 3)
    assert windows(found)[-1].end_s == answer.audio.duration_s
    assert answer.segments
    assert answer.segments[-1].end_s == answer.audio.duration_s


def test_a_canary_that_hears_in_another_way_and_fails_at_once_is_heard_anew_by_stable() -> None:
    def say(features: Array, served: ServedVersion) -> Array:
        if served.label == "canary":
            raise ContractError("broken")
        return level(features, served)

    found = list(events(Model(version(2, "canary", OTHER), say, stable=version(1)), clips.tone(6.0)))
    answer = found[-1]
    assert isinstance(answer, RecordingAnswer)
    assert (answer.model.version, answer.model.label) == (1, "stable")
    assert [window.start_s for window in windows(found)] == [0, 1, 2, 3, 4]


def test_once_a_window_is_answered_nothing_is_heard_anew() -> None:
    def say(features: Array, served: ServedVersion) -> Array:
        if served.version == 1 and len(model.asked) > 1:
            raise VersionNotFoundError("gone")
        return level(features, served)

    model = Model(version(1), say, stable=version(2, spec=OTHER))
    found = told_before(VersionChangedError, events(model, clips.tone(12.0)))
    assert len(windows(found)) == 2
    assert {number for number, _ in model.asked} == {1}


def test_what_its_header_says_is_too_long_is_not_heard_at_all() -> None:
    model = Model(version(1))
    with pytest.raises(DurationError):
        next(events(model, clips.tone(12.0, format="FLAC"), max_recording_s=11))
    assert model.asked == []


def test_what_came_before_an_error_was_told() -> None:
    wave = clips.speech_like(12.0)
    wave[10 * clips.RATE :] = np.nan
    found = told_before(NonFiniteAudioError, events(Model(version(1)), clips.encode(wave, subtype="FLOAT")))
    assert len(windows(found)) >= 6


def test_an_iterator_that_is_left_frees_the_lane() -> None:
    lanes = Lanes(0.25)
    told = Settings(model_server="127.0.0.1:1", lane_batch=1)
    coming = Recordings(told, lanes, Metrics(), None).answer(
        cast(ServedModel, Model(version(1))), clips.tone(60.0), Asking()
    )
    next(event for event in coming if isinstance(event, LongWindow))
    coming.close()  # type: ignore[attr-defined]
    with lanes.hearing.step(), lanes.asking.step():  # it would wait for ever
        pass
