"""What stands in the cells of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np


def points(row: Mapping[str, Any], name: str) -> str:
    """A difference of shares in points, with its interval."""
    low, high = row[f"{name}_interval"]
    return f"{100 * row[name]:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def shares(groups: Mapping[str, float]) -> str:
    """The share of each group."""
    return ", ".join(f"{group} {share:.1%}" for group, share in groups.items()) or "not known"


def mean_share(rows: Sequence[Mapping[str, Any]], name: str) -> str:
    """The mean over seeds, with the means of the ends of the intervals."""
    known = [row for row in rows if row[name] is not None]
    if not known:
        return "none"
    ends = np.mean([row[f"{name}_interval"] for row in known], axis=0)
    return with_interval({name: fmean(row[name] for row in known), f"{name}_interval": ends}, name)


def with_interval(row: Mapping[str, Any], name: str) -> str:
    """A share with its interval."""
    if row[name] is None:
        return "none"
    low, high = row[f"{name}_interval"]
    return f"{row[name]:.1%} ({low:.1%} to {high:.1%})"


def or_none(share: float | None) -> str:
    """A share, of which there may be none."""
    return "none" if share is None else f"{share:.1%}"
