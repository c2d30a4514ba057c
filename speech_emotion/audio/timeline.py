"""When samples sound: a container may begin with the picture alone, and leave out pauses and lost packets."""

from __future__ import annotations

import math

HOLE_S = 0.05
"""Shorter holes are none: recorders stamp what a clock says as the sound arrives, and Matroska rounds to 1 ms."""


class Timeline:
    """Where a frame belongs among the samples before it, counted from the beginning: small errors do not add up.

    Parameters
    ----------
    start_s : float or None
        The time of the first sample in seconds; None where nothing says when a frame sounds.
    rate : int
        Hz of the samples.
    tick_s : float
        Seconds to which times are rounded.
    """

    def __init__(self, start_s: float | None, rate: int, tick_s: float = 0.0) -> None:
        self._start_s = start_s if start_s is not None and math.isfinite(start_s) else None
        self._rate = rate
        self._hole = max(HOLE_S, 2 * tick_s) * rate

    def missing(self, time_s: float | None, place: int) -> int:
        """Samples that are missing before a frame of this time, if `place` samples are before it; 0 if it is late."""
        if self._start_s is None or time_s is None or not math.isfinite(time_s):  # a unit of no length
            return 0
        missing = round((time_s - self._start_s) * self._rate) - place
        return missing if missing > self._hole else 0
