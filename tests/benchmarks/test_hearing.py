from __future__ import annotations

from collections import Counter

from threadpoolctl import threadpool_limits

from benchmarks.hearing import STAGES, clips, listen, timed
from speech_emotion.features import WHISPER_SPEC


def test_the_stages_are_parts_of_the_whole_and_are_measured_only_where_that_is_asked_for() -> None:
    spent: Counter[str] = Counter()
    with timed(spent):
        total, windows = listen(1, 8_000, 1, WHISPER_SPEC, 0.5)
    assert windows == 29  # the last one ends with the minute
    assert set(spent) == set(STAGES)
    assert all(seconds > 0 for seconds in spent.values())
    assert spent["transform"] < spent["features"]
    assert spent.total() - spent["transform"] < total
    before = spent.total()
    listen(1, 8_000, 1, WHISPER_SPEC, 0.5)
    assert spent.total() == before


def test_clips_of_each_length_are_heard_both_ways() -> None:
    with threadpool_limits(1, user_api="blas"):
        rows = list(clips(1))
    assert [row["clip"] for row in rows] == ["1 s", "3.5 s", "55 s"]
    assert all(float(str(row["heard, ms"])) > 0 and float(str(row["at once, ms"])) > 0 for row in rows)
