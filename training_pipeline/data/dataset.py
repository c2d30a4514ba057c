"""A data set, read once: its clips, their emotions, the speakers that are held out, and a digest of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from training_pipeline.data.clips import Clip
from training_pipeline.data.folds import Fold, held_out


@dataclass(frozen=True)
class DataSet:
    """Clips, and the emotions that a model of them tells apart, in the order of its outputs.

    `known_digest` is a digest that was taken where the recordings were: a copy of the rows alone keeps it. `skipped`
    counts the other files that were passed over.
    """

    clips: Sequence[Clip]
    emotions: tuple[str, ...]
    known_digest: str = ""
    skipped: int = 0

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the rows and the bytes of all clips, wherever the files lie; reads every file once."""
        if self.known_digest:
            return self.known_digest
        contents = (hashlib.sha256(clip.read()).hexdigest() for clip in self.clips)
        lines = [
            f"{content} {clip.emotion} {clip.speaker} {clip.sex} {clip.split}"
            for content, clip in zip(contents, self.clips, strict=True)
        ]
        return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    @cached_property
    def split(self) -> Fold:
        """Clips to train on, and those of held-out speakers to test on. Raises DataError; see `folds.held_out`."""
        return held_out(self.clips)
