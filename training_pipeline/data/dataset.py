"""A data set, read once: its clips, their emotions, the speakers that are held out, and a digest of all of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from training_pipeline.data.clips import Clip, read_clips
from training_pipeline.data.folds import Fold, held_out
from training_pipeline.data.ravdess import EMOTIONS, read_ravdess
from training_pipeline.errors import DataError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataSet:
    """Clips, and the emotions that a model of them tells apart, in the order of its outputs.

    `known_digest` is a digest that was taken where the recordings were: a copy of the rows alone keeps it.
    """

    clips: Sequence[Clip]
    emotions: tuple[str, ...]
    known_digest: str = ""

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


def read_data(source: Path) -> DataSet:
    """Read a CSV manifest or a folder of RAVDESS. Raises DataError."""
    if source.is_file():
        clips = read_clips(source)
        return DataSet(clips, tuple(dict.fromkeys(clip.emotion for clip in clips)))
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder, or something that is neither")
    found = read_ravdess(source)
    if found.skipped:
        _log.warning("%s: %d other files skipped", source, found.skipped)
    return DataSet(found.clips, EMOTIONS)
