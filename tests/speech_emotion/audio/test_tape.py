from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech_emotion.audio.tape import Tape


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 50)), max_size=60))
def test_rows_keep_their_numbers_until_they_are_forgotten(steps: list[tuple[int, int]]) -> None:
    tape, number, kept_from = Tape((2,), np.float32), 0, 0
    for added, forgotten in steps:
        tape.append(np.repeat(np.arange(number, number + added, dtype=np.float32), 2).reshape(-1, 2))
        number += added
        tape.forget(kept_from := max(kept_from, number - forgotten))
        assert tape[kept_from:number].tolist() == [[n, n] for n in range(kept_from, number)]
        assert tape[0 : number + 7].tolist() == tape[kept_from:number].tolist()
        assert (tape.start, tape.end) == (kept_from, number)


def test_what_lies_beyond_the_end_can_be_given_up_before_it_comes() -> None:
    tape = Tape((), np.float32)
    tape.append(np.arange(3, dtype=np.float32))
    tape.forget(10)
    assert (tape.start, tape.end) == (10, 10)
    tape.append(np.array([10.0, 11.0], np.float32))
    assert tape[0:12].tolist() == [10, 11]
    assert tape[11:11].tolist() == []


def test_memory_is_that_of_the_rows_kept() -> None:
    tape = Tape((), np.float32)
    for number in range(10_000):
        tape.append(np.zeros(1, np.float32))
        tape.forget(number - 100)
    assert len(tape._rows) <= 2 * 103
