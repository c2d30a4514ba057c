"""From rows of probabilities to an answer, with values whose answer is known by arithmetic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from preprocess_gateway.core.answer import Answer, Model, PredictOptions, build_answer, most_probable
from speech_emotion.audio import AudioInfo, QualityLimits
from speech_emotion.features import SEED_SPEC
from speech_emotion.hearing import Heard, HeardWindow, hear

EMOTIONS = ("joy", "sorrow", "calm")
MODEL = Model(name="m", version=7, label="canary")
ALL = PredictOptions(timeline=True)


def heard(*speech: bool) -> Heard:
    """Windows of two seconds, one after each second."""
    windows = tuple(HeardWindow(n, n + 2.0004, -20.0 if spoken else None, None) for n, spoken in enumerate(speech))
    info = AudioInfo("FLAC", "PCM_16", 48_000, 2, 144_000)
    return Heard(info, windows, ("clipped",))


def rows(*values: tuple[float, ...]) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32).reshape(-1, len(EMOTIONS))


def answer(
    probabilities: npt.NDArray[np.float32], *speech: bool, options: PredictOptions = ALL, min_confidence: float = 0.5
) -> Answer:
    return build_answer(probabilities, EMOTIONS, [heard(*speech)], MODEL, options, min_confidence)


def test_the_clip_is_the_mean_of_its_windows_with_speech() -> None:
    said = answer(rows((0.5, 0.25, 0.25), (0.0, 1.0, 0.0)), True, False, True)
    assert said.probabilities == {"joy": 0.25, "sorrow": 0.625, "calm": 0.125}
    assert (said.emotion, said.confidence, said.uncertain) == ("sorrow", 0.625, False)
    assert [window.emotion for window in said.timeline or ()] == ["joy", None, "sorrow"]
    assert [window.reason for window in said.timeline or ()] == [None, "no_speech", None]
    assert [(window.start_s, window.end_s) for window in said.timeline or ()] == [(0, 2.0), (1, 3.0), (2, 4.0)]


def test_each_channel_has_its_own_rows_and_the_clip_then_says_nothing() -> None:
    parts = [heard(True, False), heard(False, False), heard(True, True)]
    probabilities = rows((1, 0, 0), (0, 1, 0), (0, 0.5, 0.5))
    said = build_answer(probabilities, EMOTIONS, parts, MODEL, PredictOptions(channels="separate"), 0.8)
    assert [(one.channel, one.emotion, one.confidence) for one in said.channels or ()] == [
        (1, "joy", 1.0), (2, None, None), (3, "sorrow", 0.75),
    ]  # fmt: skip
    assert [one.uncertain for one in said.channels or ()] == [False, False, True]
    assert (said.emotion, said.reason, said.uncertain) == (None, "separate_channels", False)


def test_what_was_heard_and_who_answered_stand_beside_it() -> None:
    said = answer(rows((1, 0, 0)), True)
    assert said.model == MODEL
    assert said.audio.model_dump() == {"duration_s": 3.0, "sample_rate": 48_000, "channels": 2, "format": "FLAC"}
    assert said.warnings == ("clipped",)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_times_are_rounded_alike_so_no_window_ends_after_its_clip(rate: int) -> None:
    for samples in np.random.default_rng(rate).integers(1, 4 * rate, 200):
        info = AudioInfo("WAV", "PCM_16", rate, 1, int(samples))
        clip = hear(np.zeros((1, samples), np.float32), info, SEED_SPEC, QualityLimits())
        said = build_answer(rows(), EMOTIONS, [clip], MODEL, ALL, 0.5)
        assert said.timeline
        assert said.timeline[-1].end_s == said.audio.duration_s == round(info.duration_s, 3)


def test_without_speech_there_is_no_emotion_and_nothing_is_uncertain() -> None:
    said = answer(rows(), False, False)
    assert (said.emotion, said.confidence, said.probabilities, said.reason) == (None, None, None, "no_speech")
    assert not said.uncertain
    assert [window.reason for window in said.timeline or ()] == ["no_speech", "no_speech"]
    assert most_probable(rows(), EMOTIONS) is None


@pytest.mark.parametrize(("min_confidence", "uncertain"), [(0.6, False), (0.61, True), (0.0, False), (1.0, True)])
def test_below_a_confidence_an_answer_is_uncertain(min_confidence: float, uncertain: bool) -> None:
    assert answer(rows((0.6, 0.3, 0.1)).astype(np.float64), True, min_confidence=min_confidence).uncertain is uncertain  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("top", "shown"),
    [
        (None, [("joy", 0.25), ("sorrow", 0.5), ("calm", 0.25)]),
        (1, [("sorrow", 0.5)]),
        (2, [("sorrow", 0.5), ("joy", 0.25)]),  # of two alike, the model's first
        (9, [("sorrow", 0.5), ("joy", 0.25), ("calm", 0.25)]),
    ],
)
def test_top_shows_the_most_probable_first(top: int | None, shown: list[tuple[str, float]]) -> None:
    said = answer(rows((0.25, 0.5, 0.25)), True, options=PredictOptions(top, timeline=True))
    assert list((said.probabilities or {}).items()) == shown
    assert [list((window.probabilities or {}).items()) for window in said.timeline or ()] == [shown]


def test_of_equally_probable_emotions_the_models_first_is_the_answer() -> None:
    assert answer(rows((0.4, 0.4, 0.2)), True).emotion == most_probable(rows((0.4, 0.4, 0.2)), EMOTIONS) == "joy"


def test_a_confidence_ends_at_one_where_float32_does_not() -> None:
    assert answer(rows((np.nextafter(np.float32(1), np.float32(2)), 0, 0)), True).confidence == 1.0


def test_what_was_not_asked_for_is_no_part_of_the_body() -> None:
    body = answer(rows((1, 0, 0)), True, options=PredictOptions()).to_json("id")
    assert body["request_id"] == "id"
    assert not {"timeline", "reason"} & body.keys()
    assert "reason" in answer(rows(), False, options=PredictOptions()).to_json("id")
