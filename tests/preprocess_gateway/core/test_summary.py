"""What a recording holds altogether: segments, shares of time, the emotion of the whole."""

from __future__ import annotations

import math

import numpy as np
import pytest

from preprocess_gateway.core.answer import Audio, Model
from preprocess_gateway.core.summary import RecordingAnswer, Segment, Summary
from preprocess_gateway.core.windows import AnsweredWindow

EMOTIONS = ("joy", "calm")
MODEL = Model(name="m", version=1, label="stable")
AUDIO = Audio(duration_s=10.0, sample_rate=16_000, channels=1, format="WAV")


def window(start_s: float, end_s: float, joy: float | None, channel: int | None = None) -> AnsweredWindow:
    row = None if joy is None else np.array([joy, 1 - joy], np.float32)
    return AnsweredWindow(channel, start_s, end_s, row)


def summed(windows: list[AnsweredWindow], channels: int | None = None) -> tuple[RecordingAnswer, list[Segment]]:
    summary = Summary(EMOTIONS, None, 0.5, channels)
    ended = [segment for each in windows for segment in summary.add(each)] + summary.end()
    return summary.answer([()] * (channels or 1), MODEL, AUDIO), ended


def spans(segments: tuple[Segment, ...] | list[Segment] | None) -> list[tuple[float, float, str]]:
    return [(each.start_s, each.end_s, each.emotion) for each in segments or ()]


def test_neighbouring_windows_of_one_emotion_are_one_segment_with_their_mean_confidence() -> None:
    answer, ended = summed([window(0, 2, 0.9), window(2, 4, 0.7), window(4, 6, 0.2)])
    assert spans(answer.segments) == [(0, 4, "joy"), (4, 6, "calm")]
    assert list(answer.segments or ()) == ended
    assert [each.confidence for each in ended] == pytest.approx([0.8, 0.8])
    assert answer.time_share == pytest.approx({"joy": 4 / 6, "calm": 2 / 6})
    assert answer.no_speech_share == 0


def test_where_windows_overlap_each_instant_belongs_to_the_one_whose_centre_is_nearest() -> None:
    # Centres at 2, 4 and 5 s: the borders lie at 3 and 4.5 s.
    answer, _ = summed([window(0, 4, 0.9), window(2, 6, 0.1), window(3, 7, 0.9)])
    assert spans(answer.segments) == [(0, 3, "joy"), (3, 4.5, "calm"), (4.5, 7, "joy")]


def test_what_has_no_speech_is_between_segments_and_counts_as_time() -> None:
    answer, _ = summed([window(0, 2, 0.9), window(2, 4, None), window(4, 6, 0.9)])
    assert spans(answer.segments) == [(0, 2, "joy"), (4, 6, "joy")]
    assert answer.no_speech_share == pytest.approx(1 / 3)
    assert sum((answer.time_share or {}).values()) == pytest.approx(2 / 3)
    assert answer.windows == 3


def test_the_whole_has_the_mean_of_the_windows_with_speech() -> None:
    answer, _ = summed([window(0, 2, 0.9), window(2, 4, None), window(4, 6, 0.4)])
    assert answer.probabilities == pytest.approx({"joy": 0.65, "calm": 0.35}, abs=1e-6)
    assert (answer.emotion, answer.uncertain) == ("joy", False)


def test_a_recording_without_speech_has_no_emotion_and_no_segment() -> None:
    answer, ended = summed([window(0, 2, None), window(2, 4, None)])
    assert (answer.emotion, answer.reason, answer.segments, ended) == (None, "no_speech", (), [])
    assert answer.no_speech_share == 1


def test_separate_channels_have_segments_of_their_own_and_the_whole_has_no_emotion() -> None:
    answer, ended = summed([window(0, 2, 0.9, 1), window(0, 2, None, 2), window(2, 4, 0.1, 1), window(2, 4, 0.9, 2)], 2)
    assert (answer.emotion, answer.reason, answer.windows) == (None, "separate_channels", 4)
    assert [(spans(each.segments), each.channel) for each in answer.channels or ()] == [
        ([(0, 2, "joy"), (2, 4, "calm")], 1),
        ([(2, 4, "joy")], 2),
    ]
    assert [each.channel for each in ended] == [1, 1, 2]
    assert "segments" not in answer.to_json("id")


def test_it_is_known_where_the_next_segment_may_still_begin() -> None:
    summary = Summary(EMOTIONS, None, 0.5, 2)
    for each in (window(0, 2, 0.9, 1), window(0, 2, 0.9, 2), window(2, 4, 0.9, 1), window(2, 4, 0.1, 2)):
        summary.add(each)
    summary.add(window(4, 6, 0.1, 2))
    assert summary.open_since() == 0  # the first channel's goes on
    summary.end()
    assert summary.open_since() == math.inf


def test_an_emotion_below_the_threshold_is_uncertain() -> None:
    summary = Summary(("a", "b", "c"), 1, 0.5, None)
    summary.add(AnsweredWindow(None, 0, 2, np.array([0.4, 0.3, 0.3], np.float32)))
    (segment,) = summary.end()
    answer = summary.answer([("clipped",)], MODEL, AUDIO)
    assert (segment.uncertain, answer.uncertain, answer.warnings) == (True, True, ("clipped",))
    assert answer.probabilities == pytest.approx({"a": 0.4})
