"""Splits of clips into training and test indices: held-out speakers, and folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold

from training_pipeline.data import ravdess
from training_pipeline.data.clips import Clip
from training_pipeline.errors import DataError

HELD_OUT = "test"
"""The `split` of clips that no model may hear."""
FOLDS = 5
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Fold:
    """Indices of a fold's training and test clips."""

    train: Indices
    test: Indices


def held_out(clips: Sequence[Clip]) -> Fold:
    """Clips whose `split` is `test`; of a corpus where no clip has it, those of the first speaker fold.

    They are the same at each retraining, so that versions can be compared on them. A corpus of one speaker is trained
    on, beside others. Raises DataError if nothing is left to train on, or a fold cannot be made.
    """
    is_test = np.array([clip.split == HELD_OUT for clip in clips])
    if not is_test.any():
        return speaker_folds(clips)[0]
    for corpus, own in _by_corpus(clips).items():
        if not any(clip.split == HELD_OUT for clip in own) and len({clip.speaker for clip in own}) > 1:
            first = _groups(corpus, own, FOLDS)[0]
            is_test |= np.array([clip.corpus == corpus and clip.speaker in first for clip in clips])
    if is_test.all():
        raise DataError(f"every clip is in the split `{HELD_OUT}`: none is left to train on")
    return _fold(is_test)


def speaker_folds(clips: Sequence[Clip], most: int = FOLDS) -> list[Fold]:
    """Folds that never hear a test speaker in training: RAVDESS's published ones, else speakers in turn.

    There are `most` folds, or one for each speaker if there are fewer: each speaker is left out once. Of several
    corpora each is split by itself, so that every fold tests a part of each.

    Raises DataError if there is one speaker alone.
    """
    require_speakers(clips, 2, "To train on some speakers and test on others")
    groups = [_groups(corpus, own, most) for corpus, own in _by_corpus(clips).items()]
    merged = [set[str]().union(*(own[n] for own in groups if n < len(own))) for n in range(max(map(len, groups)))]
    return [_fold(np.array([clip.speaker in group for clip in clips])) for group in merged]


def _by_corpus(clips: Sequence[Clip]) -> dict[str, list[Clip]]:
    found: dict[str, list[Clip]] = {}
    for clip in clips:
        found.setdefault(clip.corpus, []).append(clip)
    return found


def _groups(corpus: str, clips: Sequence[Clip], most: int) -> list[set[str]]:
    """The test speakers of each fold of one corpus; beside other corpora their names begin with its own."""
    speakers = sorted({clip.speaker for clip in clips})
    numbers = {speaker.removeprefix(f"{corpus}/"): speaker for speaker in speakers}
    if {f"{n:02d}" for n in range(1, ravdess.ACTORS + 1)} == set(numbers) and most == len(ravdess.FOLDS):
        return [{numbers[f"{actor:02d}"] for actor in actors} for actors in ravdess.FOLDS]
    count = min(most, len(speakers))
    return [set(speakers[n::count]) for n in range(count)]


def random_folds(clips: Sequence[Clip], most: int = FOLDS, seed: int = 0) -> list[Fold]:
    """Folds that share speakers between training and test: only to show how much that flatters.

    There are `most` folds, or fewer where an emotion has fewer clips.

    Raises DataError if an emotion has one clip alone.
    """
    emotions = [clip.emotion for clip in clips]
    counts = Counter(emotions)
    scarce = sorted(emotion for emotion, clips_of_it in counts.items() if clips_of_it < 2)
    if scarce:
        raise DataError(f"a random split needs two clips of each emotion, there is one of {', '.join(scarce)}")
    splitter = StratifiedKFold(min(most, *counts.values()), shuffle=True, random_state=seed)
    return [Fold(train, test) for train, test in splitter.split(np.zeros(len(clips)), emotions)]


def clip_folds(clips: Sequence[Clip], most: int = FOLDS) -> list[Fold]:
    """Folds of one speaker's clips; each trains on every emotion. The only clip of an emotion is never tested.

    There are `most` folds, or as many as the most frequent emotion has clips; none if every emotion has one clip.
    """
    counts, seen = Counter(clip.emotion for clip in clips), Counter[str]()
    count = min(most, max(counts.values()))
    fold = np.full(len(clips), -1)
    for i, clip in enumerate(clips):
        if counts[clip.emotion] > 1:
            fold[i] = seen[clip.emotion] % count
            seen[clip.emotion] += 1
    return [_fold(fold == n) for n in range(count) if (fold == n).any()]


def require_speakers(clips: Sequence[Clip], least: int, purpose: str) -> None:
    """Raise DataError if there are fewer speakers."""
    speakers = sorted({clip.speaker for clip in clips})
    if len(speakers) < least:
        raise DataError(f"{purpose}, {least} speakers are needed; the clips are of {', '.join(speakers) or 'none'}")


def require_emotions(clips: Sequence[Clip]) -> None:
    """Raise DataError if all clips have the same emotion."""
    emotions = {clip.emotion for clip in clips}
    if len(emotions) < 2:
        raise DataError(f"to train a model, 2 emotions are needed; the clips are all {''.join(emotions) or 'missing'}")


def _fold(is_test: npt.NDArray[np.bool_]) -> Fold:
    return Fold(np.flatnonzero(~is_test), np.flatnonzero(is_test))
