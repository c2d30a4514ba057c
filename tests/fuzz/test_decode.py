"""Whatever bytes come in, samples within the limits or an AudioError come out, and no decoder dies of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from speech_emotion.audio import DecoderPool
from tests.fuzz.mutations import NAMES, SEEDS, mutate
from tests.fuzz.run import OPTIONS, hints_of, judge

BOUNDED = settings(
    max_examples=3_000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(1, OPTIONS) as running:
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_is_a_clip(pool: DecoderPool, name: str) -> None:
    assert judge(pool, SEEDS[name], time.monotonic() + 60, hints_of(name, 0)) == "samples"


@BOUNDED
@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32 - 1))
def test_mutated_files(pool: DecoderPool, name: str, seed: int) -> None:
    before = pool.pids
    judge(pool, mutate(np.random.default_rng(seed), name), time.monotonic() + 60, hints_of(name, seed))
    assert pool.pids == before


@BOUNDED
@given(name=st.sampled_from(NAMES), kept=st.integers(4, 64), rest=st.binary(max_size=600))
def test_a_real_start_and_then_anything(pool: DecoderPool, name: str, kept: int, rest: bytes) -> None:
    before = pool.pids
    judge(pool, SEEDS[name][:kept] + rest, time.monotonic() + 60, hints_of(name, kept))
    assert pool.pids == before
