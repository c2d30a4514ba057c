"""The emotion now: an average over the past of a stream."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]


class Smoothing:
    """An exponential average of values that come at uneven times: what is `time_constant_s` old counts exp(-1)."""

    def __init__(self, time_constant_s: float) -> None:
        self.time_constant_s = time_constant_s
        self._at_s = 0.0
        self._average: Array | None = None

    def add(self, at_s: float, row: Array) -> Array:
        """The average at `at_s` seconds with `row` `[emotions]`, whose sum stays that of the rows.

        With k = exp(-(at_s - before_s) / time_constant_s) it is k * average + (1 - k) * row; the first row is its own.
        """
        if self._average is None:
            self._average = row.astype(np.float64)
        else:
            kept = math.exp(-max(0.0, at_s - self._at_s) / self.time_constant_s)
            self._average = kept * self._average + (1 - kept) * row
        self._at_s = at_s
        return self._average
