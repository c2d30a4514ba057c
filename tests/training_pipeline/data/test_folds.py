from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from training_pipeline.data.clips import Clip
from training_pipeline.data.folds import clip_folds, random_folds


def test_random_folds_cover_every_clip(clips: list[Clip]) -> None:
    assert sum(len(fold.test) for fold in random_folds(clips)) == len(clips)


@pytest.mark.parametrize("counts", [{"glad": 1, "sad": 2}, {"glad": 9, "sad": 2, "calm": 1}, {"glad": 5, "sad": 5}])
def test_folds_of_one_speaker_train_on_every_emotion(counts: dict[str, int]) -> None:
    own = [Clip(Path(f"{e}-{n}"), e, "me") for e, count in counts.items() for n in range(count)]
    folds = clip_folds(own)
    assert len(folds) == min(5, max(counts.values()))
    for fold in folds:
        assert {own[i].emotion for i in fold.train} == set(counts)
        assert not set(fold.train) & set(fold.test)
    tested = Counter(own[i].emotion for i in np.concatenate([fold.test for fold in folds]))
    assert tested == {emotion: count for emotion, count in counts.items() if count > 1}


def test_single_clips_of_each_emotion_have_no_folds() -> None:
    assert clip_folds([Clip(Path(e), e, "me") for e in ("glad", "sad")]) == []
