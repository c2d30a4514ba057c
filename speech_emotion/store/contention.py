"""What many writers of one store do when another was faster: they pause for a random time, and try again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from speech_emotion.store.errors import ConflictError

WAIT_S = 60.0
"""Seconds for which a writer tries. Of those who meet, one is through within some tenths of a second."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 1.0

Result = TypeVar("Result")


def until_undisturbed(attempt: Callable[[], Result | None], what: str) -> Result:
    """What `attempt` returns once it is not null, which means that another process was faster.

    The pause before each new attempt is random, and its bound doubles up to LONGEST_PAUSE_S, so that writers which met
    once do not meet again and again. Raises ConflictError if `what` is disturbed for WAIT_S.
    """
    deadline = time.monotonic() + WAIT_S
    bound = FIRST_PAUSE_S
    while (result := attempt()) is None:
        pause = random.uniform(0, bound)  # noqa: S311 - no secret
        if time.monotonic() + pause > deadline:
            raise ConflictError(
                f"{what}: other processes were faster at every attempt for {WAIT_S:g} seconds; try again later"
            )
        time.sleep(pause)
        bound = min(2 * bound, LONGEST_PAUSE_S)
    return result
