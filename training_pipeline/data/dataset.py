"""A data set, read once: its clips, their emotions, the speakers that are held out, and a digest of all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from training_pipeline.data.clips import Clip, shown_votes
from training_pipeline.data.folds import HELD_OUT, Fold, held_out
from training_pipeline.errors import DataError


@dataclass(frozen=True)
class Corpus:
    """Where clips are from: which emotions its labels can tell apart, its licence, and how to cite it.

    An emotion that a corpus has no label for is unknown of its clips, which does not mean that it is absent.
    """

    name: str
    emotions: tuple[str, ...]
    licence: str = ""
    source: str = ""


@dataclass(frozen=True)
class DataSet:
    """Clips, and the emotions that a model of them tells apart, in the order of its outputs.

    `known_digest` is a digest that was taken where the recordings were: a copy of the rows alone keeps it. `skipped`
    counts the other files that were passed over. `corpora` are those of the clips where any has a name.
    """

    clips: Sequence[Clip]
    emotions: tuple[str, ...]
    known_digest: str = ""
    skipped: int = 0
    corpora: tuple[Corpus, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the rows and the bytes of all clips, wherever the files lie; reads every file once.

        The order counts, as features and outputs that are kept for a data set are in its order.
        """
        if self.known_digest:
            return self.known_digest
        contents = (hashlib.sha256(clip.read()).hexdigest() for clip in self.clips)
        lines = [
            f"{content} {clip.emotion} {clip.speaker} {clip.sex} {clip.split} {clip.corpus} {shown_votes(clip.votes)}"
            for content, clip in zip(contents, self.clips, strict=True)
        ]
        # Which emotions a corpus can tell, and the order of a model's outputs, are part of what is learnt.
        told = [f"{corpus.name} {' '.join(corpus.emotions)}" for corpus in self.corpora]
        return hashlib.sha256("\n".join([*lines, *told, " ".join(self.emotions)]).encode()).hexdigest()

    @cached_property
    def split(self) -> Fold:
        """Clips to train on, and those of held-out speakers to test on. Raises DataError; see `folds.held_out`."""
        return held_out(self.clips)

    def part(self, indices: Iterable[int]) -> DataSet:
        """The clips at `indices`, of the same emotions and corpora."""
        return DataSet([self.clips[i] for i in indices], self.emotions, corpora=self.corpora)

    def of_corpora(self, names: Iterable[str]) -> DataSet:
        """The clips of these corpora, and the emotions that one of these clips at least has."""
        wanted = set(names)
        corpora = tuple(corpus for corpus in self.corpora if corpus.name in wanted)
        clips = [clip for clip in self.clips if clip.corpus in wanted]
        # Not all that these corpora can tell: of an emotion without a clip a network could learn nothing.
        there = {clip.emotion for clip in clips}
        return DataSet(clips, tuple(emotion for emotion in self.emotions if emotion in there), corpora=corpora)

    def without_held_out(self) -> DataSet:
        """The clips that are not marked `test`, and the emotions and corpora that these do not alone have.

        Raises DataError if all are.
        """
        kept = [clip for clip in self.clips if clip.split != HELD_OUT]
        if len(kept) == len(self.clips):
            return self
        if not kept:
            raise DataError(f"every clip is in the split `{HELD_OUT}`: none is left to train on")
        gone = {clip.emotion for clip in self.clips} - {clip.emotion for clip in kept}
        emotions = tuple(emotion for emotion in self.emotions if emotion not in gone)
        there = {clip.corpus for clip in kept}
        corpora = tuple(corpus for corpus in self.corpora if corpus.name in there)
        return DataSet(kept, emotions, skipped=self.skipped, corpora=corpora)

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """For each clip, which emotions its corpus can tell, `[clips, emotions]`."""
        told = {c.name: np.array([emotion in c.emotions for emotion in self.emotions]) for c in self.corpora}
        everything = np.ones(len(self.emotions), np.bool_)
        return np.array([told.get(clip.corpus, everything) for clip in self.clips], np.bool_)

    def named(self, corpus: Corpus) -> DataSet:
        """The same with every clip in `corpus`."""
        return replace(self, clips=[replace(clip, corpus=corpus.name) for clip in self.clips], corpora=(corpus,))
