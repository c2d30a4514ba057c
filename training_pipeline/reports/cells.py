"""What stands in the cells of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

UNKNOWN = "interval not known"
"""One speaker has none."""


def points(row: Mapping[str, Any], name: str) -> str:
    """A difference of shares in points, with its interval."""
    return points_with(row[name], row[f"{name}_interval"])


def points_with(difference: float, interval: Sequence[float] | None) -> str:
    """The same of a difference and the ends of its interval, if that is known."""
    ends = " to ".join(f"{100 * end:+.1f}" for end in interval) if interval is not None else UNKNOWN
    return f"{100 * difference:+.1f} ({ends})"


def shares(groups: Mapping[str, float]) -> str:
    """The share of each group."""
    return ", ".join(f"{group} {share:.1%}" for group, share in groups.items()) or "not known"


def mean_share(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The mean over seeds, with the means of the ends of the intervals."""
    known = [row for row in rows if row[name] is not None]
    if not known:
        return "none"
    intervals = [ends for row in known if (ends := row[f"{name}_interval"]) is not None]
    ends = np.mean(intervals, axis=0).tolist() if intervals else None
    return share_with(fmean(row[name] for row in known), ends)


def with_interval(row: Mapping[str, Any], name: str) -> str:
    """A share with its interval."""
    return "none" if row[name] is None else share_with(row[name], row[f"{name}_interval"])


def share_with(share: float, interval: Sequence[float] | None) -> str:
    """The same of a share and the ends of its interval, if that is known."""
    ends = " to ".join(f"{end:.1%}" for end in interval) if interval is not None else UNKNOWN
    return f"{share:.1%} ({ends})"


def or_none(share: float | None) -> str:
    """A share, of which there may be none."""
    return "none" if share is None else f"{share:.1%}"
