from __future__ import annotations

import numpy as np
import pytest

from benchmarks.features import CASES, Case, assert_equal, taken
from tests.support import clips

# librosa.load imports readers of which Python's newer versions have none.
pytestmark = pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("seconds", [1.0, 3.0, 10.0])
def test_the_naive_way_and_ours_give_the_same_numbers(case: Case, seconds: float) -> None:
    clip = clips.tone(seconds, rate=48_000)
    ours, naive = case.ours(clip), case.naive(clip)
    assert ours.shape == naive.shape
    assert_equal(ours, naive)
    with pytest.raises(AssertionError):
        assert_equal(ours + np.float32(1e-3) * np.abs(ours).max(), naive)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_way_is_measured_for_every_clip_by_turns(case: Case) -> None:
    order: list[tuple[str, bytes]] = []
    ways = [lambda clip, name=name: order.append((name, clip)) for name in ("naive", "ours")]
    times = list(taken(2, [b"a", b"b"], *ways))
    for turn, clip in zip(range(0, 8, 2), [b"a", b"b"] * 2, strict=True):
        assert sorted(order[turn : turn + 2]) == [("naive", clip), ("ours", clip)]
    assert [len(each) for each in times] == [2] * 4
    assert len(case.heard(clips.tone(3.0))) == 1
