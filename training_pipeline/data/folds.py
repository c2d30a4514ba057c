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
    """Clips whose `split` is `test`; of a corpus where no clip has a split, those of its `first_speakers`.

    They are the same at each retraining, so that versions can be compared on them. A corpus of one speaker, or one
    that is said to be for training, is trained on. If all are, nothing could be measured: then the first speakers of
    each are tested, or the first if each has one alone. Raises DataError if nothing is left to train on, or a fold
    cannot be made.
    """
    is_test = np.array([clip.split == HELD_OUT for clip in clips])
    unsaid = [own for own in _by_corpus(clips).values() if not any(clip.split for clip in own)]
    is_test |= _is_of(first_speakers([clip for own in unsaid for clip in own]), clips)
    if not is_test.any():
        is_test = _is_of(first_speakers(clips), clips)
    if not is_test.any():
        return speaker_folds(clips)[0]
    if is_test.all():
        raise DataError(f"every clip is in the split `{HELD_OUT}`: none is left to train on")
    return _fold(is_test)


def first_speakers(clips: Sequence[Clip]) -> set[str]:
    """The test speakers of the first fold of each corpus by itself; none of a corpus of one speaker."""
    groups = (_groups(corpus, own, FOLDS) for corpus, own in _by_corpus(clips).items())
    return set[str]().union(*(own[0] for own in groups if len(own) > 1))


def speaker_folds(clips: Sequence[Clip], most: int = FOLDS) -> list[Fold]:
    """Folds that never hear a test speaker in training: RAVDESS's published ones, else speakers in turn.

    There are `most` folds, or one for each speaker if there are fewer: each speaker is left out once. Of several
    corpora each is split by itself: every fold tests a part of each that has enough speakers.

    Raises DataError if there is one speaker alone.
    """
    require_speakers(clips, 2, "To train on some speakers and test on others")
    groups = [_groups(corpus, own, most) for corpus, own in _by_corpus(clips).items()]
    count = min(most, sum(map(len, groups)))
    folds = [set[str]() for _ in range(count)]
    begin = 0
    for own in groups:
        for number, speakers in enumerate(own):
            folds[(begin + number) % count] |= speakers
        begin += len(own)  # so that corpora of few speakers are not all tested in the same folds
    return [_fold(_is_of(speakers, clips)) for speakers in folds]


def test_speakers(clips: Sequence[Clip], folds: Sequence[Fold]) -> list[list[str]]:
    """The speakers that each fold tests."""
    return [sorted({clips[i].speaker for i in fold.test}) for fold in folds]


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


def require_taught(clips: Sequence[Clip], folds: Sequence[Fold]) -> None:
    """Raise DataError, naming them, for an emotion that only test speakers of one of the folds have."""
    for fold in folds:
        if untaught := _untaught(clips, fold):
            emotion = untaught[0]
            speakers = sorted({clip.speaker for clip in clips if clip.emotion == emotion})
            raise DataError(
                f"all clips of {emotion} are of {', '.join(speakers)}, who would be tested by a model without "
                f"{emotion}: add clips of it by other speakers, or leave it out"
            )


def calibration_fold(clips: Sequence[Clip]) -> Fold | None:
    """The first fold whose training clips have every emotion; None if there is none, or one speaker alone."""
    several = len({clip.speaker for clip in clips}) > 1
    return next((fold for fold in speaker_folds(clips) if teaches_all(clips, fold)), None) if several else None


def teaches_all(clips: Sequence[Clip], fold: Fold) -> bool:
    """Whether every emotion has a clip to train on."""
    return not _untaught(clips, fold)


def _untaught(clips: Sequence[Clip], fold: Fold) -> list[str]:
    return sorted({clip.emotion for clip in clips} - {clips[i].emotion for i in fold.train})


def _is_of(speakers: set[str], clips: Sequence[Clip]) -> npt.NDArray[np.bool_]:
    """For each clip, whether it is of one of the speakers."""
    return np.array([clip.speaker in speakers for clip in clips], np.bool_)


def _fold(is_test: npt.NDArray[np.bool_]) -> Fold:
    return Fold(np.flatnonzero(~is_test), np.flatnonzero(is_test))
