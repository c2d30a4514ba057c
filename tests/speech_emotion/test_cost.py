"""What features and speech detection cost beside the bare kernels and librosa, as ratios of CPU time.

The quickest of interleaved calls are compared: what else the machine does only makes calls slower. The bounds leave
room for other machines; `make bench` measures how much the features really take.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_limits

from benchmarks.features import CASES, Case
from tests.support import clips
from tests.support.cost import quickest

# librosa.load imports readers of which Python's newer versions have none.
pytestmark = pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")
CALLS = 20


@pytest.fixture(autouse=True)
def one_blas_thread() -> Iterator[None]:
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_features_cost_little_more_than_their_kernels_and_less_than_librosas(case: Case) -> None:
    clip = clips.tone(3.5, rate=48_000)
    naive, ours, heard, bare = quickest(
        lambda: case.naive(clip),
        lambda: case.ours(clip),
        lambda: case.heard(clip),
        lambda: case.bare(clip),
        calls=CALLS,
    )
    assert ours < 2.5 * bare
    assert heard < 3.5 * bare
    assert ours < naive / (2 if case.least > 2 else 1)
