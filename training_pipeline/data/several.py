"""Data sets side by side: one data set of several corpora, whose speakers and labels stay apart."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from training_pipeline.data.clips import Clip, own_path, voted
from training_pipeline.data.dataset import Corpus, DataSet
from training_pipeline.data.facts import UNKNOWN, facts_of
from training_pipeline.data.table import same_meaning
from training_pipeline.errors import DataError

_log = logging.getLogger(__name__)


def combined(sets: Mapping[Path, DataSet]) -> DataSet:
    """One data set of those that were read from each path.

    A data set that names no corpus is one, called after its manifest or folder. Speakers of several corpora are called
    CORPUS/SPEAKER, as two corpora may number theirs alike; data sets that name the same corpus share its speakers. The
    emotions are those of all, in the order of the sets; votes for others are logged, as they do not count.

    Raises DataError if two data sets that name no corpus would be called alike, for emotions, corpora or speakers of a
    corpus that differ only in case, spaces or Unicode form, and for two people who would have one name because a
    corpus and a speaker have slashes.
    """
    named = _named(sets)
    _require_distinct(named)
    corpora = _united([corpus for data in named for corpus in data.corpora])
    clips = [clip for data in named for clip in data.clips]
    emotions = tuple(dict.fromkeys(emotion for data in named for emotion in data.emotions))
    if len(corpora) > 1:
        clips = [replace(clip, speaker=name) for clip, name in zip(clips, _names(clips), strict=True)]
    if strange := [emotion for emotion in voted(clips) if emotion not in emotions]:
        _log.warning("votes for %s do not count: no clip has this label, and no corpus declares it", ", ".join(strange))
    return DataSet(clips, emotions, skipped=sum(data.skipped for data in named), corpora=corpora)


def _names(clips: Sequence[Clip]) -> list[str]:
    """CORPUS/SPEAKER for each clip. Raises DataError for one name of two people: `1` of `a/b`, and `b/1` of `a`."""
    names = [f"{clip.corpus}/{clip.speaker}" for clip in clips]
    corpora: dict[str, str] = {}
    for name, clip in zip(names, clips, strict=True):
        if (other := corpora.setdefault(name, clip.corpus)) != clip.corpus:
            raise DataError(f"a speaker of {other} and one of {clip.corpus} would both be called {name}: rename one")
    return names


def _require_distinct(sets: Sequence[DataSet]) -> None:
    """What a manifest alone is asked for in `clips.read_clips`, of all sets together and after labels are mapped."""
    clips = [clip for data in sets for clip in data.clips]
    corpora = {clip.corpus for clip in clips}
    told = [emotion for data in sets for corpus in data.corpora for emotion in corpus.emotions]
    answers = [emotion for data in sets for emotion in data.emotions]
    seen = {"emotions": {*told, *answers, *voted(clips)}, "corpora": corpora}
    seen |= {f"speakers of {name}": {clip.speaker for clip in clips if clip.corpus == name} for name in sorted(corpora)}
    for what, names in seen.items():
        for _, alike in groupby(sorted(names, key=same_meaning), same_meaning):
            if len(spelled := sorted(alike)) > 1:
                raise DataError(
                    f"the {what} {', '.join(map(ascii, spelled))} differ only in case, spaces or Unicode form; "
                    "write them alike"
                )


def _named(sets: Mapping[Path, DataSet]) -> list[DataSet]:
    """The sets with a corpus for every clip; a single one that names none stays as it is."""
    found, taken = [], {corpus.name for data in sets.values() for corpus in data.corpora}
    for path, data in sets.items():
        if data.corpora and not all(clip.corpus for clip in data.clips):
            raise DataError(f"{path}: some clips name a corpus and some do not; fill the column `corpus`")
        if data.corpora or len(sets) == 1:
            found.append(data)
            continue
        corpus = _called(path, data)
        if corpus.name in taken:
            raise DataError(f"{path}: another data set is called {corpus.name} too; name it in the column `corpus`")
        taken.add(corpus.name)
        found.append(data.named(corpus))
    return found


def name_of(path: Path) -> str:
    """What a data set that names no corpus is called: its manifest or folder; the folder of a `manifest.csv`."""
    return own_path(path.parent).name if path.stem == "manifest" else own_path(path).stem


def _called(path: Path, data: DataSet) -> Corpus:
    """The corpus of a data set that names none."""
    facts = facts_of(data.clips)
    told = tuple(dict.fromkeys([*data.emotions, *voted(data.clips)]))
    return Corpus(name_of(path), told, "" if facts.licence == UNKNOWN else facts.licence, facts.source)


def _united(corpora: Sequence[Corpus]) -> tuple[Corpus, ...]:
    """One for each name, with the emotions of all of that name."""
    united: dict[str, Corpus] = {}
    for corpus in corpora:
        before = united.get(corpus.name, corpus)
        emotions = tuple(dict.fromkeys([*before.emotions, *corpus.emotions]))
        united[corpus.name] = replace(before, emotions=emotions)
    return tuple(united.values())
