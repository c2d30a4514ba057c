"""Shares with intervals over speakers, because clips of one speaker are not independent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from training_pipeline.training.calibrate import MIN_CONFIDENCE

DRAWS, LEVEL = 2_000, 0.95
LEAST = 2
"""Speakers whose clips count, from which on there is an interval."""
Array = npt.NDArray[Any]
Statistic = Callable[[Array], Array]
"""Takes speakers' weights `[draws, speakers]` and returns a value for each draw; NaN if no clip counts."""


class OverSpeakers:
    """A percentile bootstrap over the speakers of clips, always by the same draws: `speakers` `[clips]` are names."""

    def __init__(self, speakers: Sequence[str] | Array) -> None:
        names, self.speaker = np.unique(np.asarray(speakers), return_inverse=True)
        self.count = len(names)
        drawn = np.random.default_rng(0).integers(0, self.count, (DRAWS, self.count))
        self._weights = np.stack([np.bincount(draw, minlength=self.count) for draw in drawn]).astype(np.float64)

    def share(self, counted: Array, among: Array | None = None) -> Statistic:
        """The share of the clips `among` (all, if left out) that is `counted`; both are bools `[clips]`."""
        among = np.ones(len(self.speaker), np.bool_) if among is None else among
        tops, wholes = self._sums(counted & among), self._sums(among)
        return lambda weights: _divided(weights @ tops, weights @ wholes)

    def mean_share(self, counted: Array, kinds: Array) -> Statistic:
        """The share that is `counted`, averaged over the kinds that occur; if right answers are counted, the UAR."""
        sums = [(self._sums(counted & (kinds == kind)), self._sums(kinds == kind)) for kind in np.unique(kinds)]

        def statistic(weights: Array) -> Array:
            return np.asarray(np.nanmean([_divided(weights @ top, weights @ whole) for top, whole in sums], axis=0))

        return statistic

    def measured(self, name: str, statistic: Statistic) -> dict[str, Any]:
        """`name` and `name_interval` as JSON; null for a share of nothing, and for an interval of one speaker."""
        value = float(statistic(np.ones((1, self.count)))[0])
        # One speaker says nothing of others: each draw would be that speaker, and the interval a point.
        if np.count_nonzero(~np.isnan(statistic(np.eye(self.count)))) < LEAST:
            return {name: None if np.isnan(value) else value, f"{name}_interval": None}
        low, high = np.nanquantile(statistic(self._weights), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return {name: value, f"{name}_interval": [float(low), float(high)]}

    def certainty(self, confidence: Array, right: Array) -> dict[str, Any]:
        """`sure`: the share of clips that are not uncertain; `sure_right`: the share of these that are right."""
        sure = confidence >= MIN_CONFIDENCE
        found = self.measured("sure", self.share(sure))
        return found | self.measured("sure_right", self.share(right, sure))

    def _sums(self, counted: Array) -> Array:
        return np.bincount(self.speaker, counted, self.count)


def _divided(tops: Array, wholes: Array) -> Array:
    return np.asarray(np.divide(tops, wholes, out=np.full(len(wholes), np.nan), where=wholes > 0))
