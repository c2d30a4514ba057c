"""What is known of each clip's emotion, as rows to learn from: labels, listeners' votes, and what stays open."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from training_pipeline.data.dataset import DataSet

Array = npt.NDArray[np.float32]
OPEN = -1.0
"""Stands for an emotion that a clip's corpus cannot tell: unknown, not absent."""
VOTED = 0.5
"""How much of a clip's target listeners' votes are, where it has any; the rest is its label."""


def has_shares(data: DataSet) -> bool:
    """Whether rows of shares say more than labels: emotions that stay open, votes, or several corpora to balance."""
    return len(data.corpora) > 1 or loses_by_labels(data)


def loses_by_labels(data: DataSet) -> bool:
    """Whether there are emotions that stay open, or votes, which labels do not tell."""
    return not data.known.all() or any(clip.votes for clip in data.clips)


def shares(data: DataSet) -> Array:
    """A row for each clip, `[clips, emotions]`: shares that sum to the clip's weight, and `OPEN`.

    Weights have a mean of 1; see `balance`. Votes for other emotions than those of `data` do not count.
    """
    rows = np.zeros((len(data.clips), len(data.emotions)))
    place = {emotion: index for index, emotion in enumerate(data.emotions)}
    for row, clip in zip(rows, data.clips, strict=True):
        votes = [(emotion, count) for emotion, count in clip.votes if emotion in place and count]
        total = sum(count for _, count in votes)
        voted = VOTED * bool(votes)
        row[place[clip.emotion]] = 1 - voted
        for emotion, count in votes:
            row[place[emotion]] += voted * count / total
    rows *= balance(data)[:, np.newaxis]
    return np.where(data.known, rows, OPEN).astype(np.float32)


def balance(data: DataSet) -> npt.NDArray[np.float64]:
    """A weight for each clip, with a mean of 1: corpora count alike, and within a corpus its speakers."""
    if len(data.corpora) <= 1:
        return np.ones(len(data.clips))
    clips = Counter(clip.speaker for clip in data.clips)
    speakers = Counter(corpus for corpus, _ in {(clip.corpus, clip.speaker) for clip in data.clips})
    weights = np.array([1 / (speakers[clip.corpus] * clips[clip.speaker]) for clip in data.clips])
    return np.asarray(weights * len(weights) / weights.sum())
