"""What a manifest does not say of its corpora, in a file beside it: `NAME.csv` has `NAME.corpora.json`.

An object for each corpus, by its name: `emotions` that its labels can tell apart, `labels` with the emotion that each
of its own labels means (null: leave such clips out), `licence` and `source`. All of them are optional.
"""

from __future__ import annotations

import codecs
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, StringConstraints, ValidationError

from speech_emotion.errors import FileTooLargeError
from speech_emotion.files import whole_file
from speech_emotion.input_files import read_at_most
from speech_emotion.invalid import first_fault
from training_pipeline.data.clips import Clip, require_label, voted
from training_pipeline.data.dataset import Corpus, DataSet
from training_pipeline.data.table import same_meaning
from training_pipeline.errors import DataError

MAX_BYTES = 1024 * 1024
_log = logging.getLogger(__name__)
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _askable(name: str) -> str:
    require_label(name)
    return name


Emotion = Annotated[Name, AfterValidator(_askable)]
"""What a label may mean."""


class Declared(BaseModel):
    """What is said of one corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    emotions: tuple[Emotion, ...] = ()
    labels: dict[Name, Emotion | None] = Field(default_factory=dict)
    licence: str = ""
    source: str = ""


class _File(RootModel[dict[str, Declared]]):
    """All of them."""


def path_beside(manifest: Path) -> Path:
    """Where the declarations of a manifest are."""
    return manifest.with_suffix(".corpora.json")


def with_declared(manifest: Path, clips: Sequence[Clip]) -> DataSet:
    """The data set of a manifest's clips, with what is declared beside it.

    Of a corpus that is not declared the emotions of its clips, and those in their votes, are those that it can tell.
    The emotions of the data set are labels of clips, or declared: an answer that no clip has as its label could never
    be tested. Without the column `corpus` one declared corpus is that of all clips.

    Raises DataError for a file of another kind, a corpus without clips, a label that the clips spell otherwise, an
    emotion that a corpus is said not to tell, and if no clip is left.
    """
    declared = _read(path_beside(manifest))
    if len(declared) == 1 and not any(clip.corpus for clip in clips):
        clips = [replace(clip, corpus=next(iter(declared))) for clip in clips]
    absent = sorted(declared.keys() - {clip.corpus for clip in clips})
    if absent:
        raise DataError(f"{path_beside(manifest)}: {', '.join(absent)} is the corpus of no clip in {manifest.name}")
    for name, said in declared.items():
        _check_labels(said, [clip for clip in clips if clip.corpus == name], f"{path_beside(manifest)}, {name}")
    kept = [mapped for clip in clips if (mapped := _mapped(clip, declared.get(clip.corpus))) is not None]
    if not kept:
        raise DataError(f"{path_beside(manifest)} leaves out every clip: the labels of all mean null")
    if len(kept) < len(clips):
        _log.warning("%s: %d clips are left out, as their labels mean null", manifest, len(clips) - len(kept))
    corpora = tuple(_corpus(name, declared.get(name), kept) for name in dict.fromkeys(c.corpus for c in kept) if name)
    _require_told(kept, corpora, manifest)
    labels = [clip.emotion for clip in kept]
    told = [emotion for corpus in corpora for emotion in corpus.emotions]
    answers = {*labels, *(emotion for said in declared.values() for emotion in said.emotions)}
    emotions = tuple(emotion for emotion in dict.fromkeys([*told, *labels]) if emotion in answers)
    return DataSet(kept, emotions, corpora=corpora)


def write_declared(manifest: Path, corpora: Sequence[Corpus]) -> Path:
    """Write what `with_declared` reads; returns the file's path."""
    path = path_beside(manifest)
    said = {c.name: {"emotions": c.emotions, "licence": c.licence, "source": c.source} for c in corpora}
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def _read(path: Path) -> dict[str, Declared]:
    if not path.is_file():
        return {}
    try:
        return _File.model_validate_json(read_at_most(path, MAX_BYTES).removeprefix(codecs.BOM_UTF8)).root
    except FileTooLargeError as error:
        raise DataError(f"{path}: {error}") from error
    except ValidationError as error:
        where, fault = first_fault(error)
        shown = ".".join(map(str, where)) or "the file"
        raise DataError(f"{path}: not a declaration of corpora, {shown}: {fault}") from error


def _check_labels(declared: Declared, clips: Sequence[Clip], where: str) -> None:
    """Warn of declared labels that no clip has. Raises DataError for one that is only spelled otherwise."""
    used = {clip.emotion for clip in clips} | {name for clip in clips for name, _ in clip.votes}
    alike = {same_meaning(name): name for name in sorted(used)}
    for label in declared.labels.keys() - used:
        if (meant := alike.get(same_meaning(label))) is not None:
            raise DataError(f"{where}: `labels` has {label!r}, but the clips have {meant!r}; write them alike")
        _log.warning("%s: no clip has the label %r", where, label)


def _mapped(clip: Clip, declared: Declared | None) -> Clip | None:
    """The clip with the emotion that its label means; None: left out."""
    if declared is None or not declared.labels:
        return clip
    emotion = declared.labels.get(clip.emotion, clip.emotion)
    meant = [(declared.labels.get(name, name), count) for name, count in clip.votes]
    sums: dict[str, float] = {}
    for name, count in meant:
        if name is not None:
            sums[name] = sums.get(name, 0.0) + count
    return None if emotion is None else replace(clip, emotion=emotion, votes=tuple(sums.items()))


def _corpus(name: str, declared: Declared | None, clips: Sequence[Clip]) -> Corpus:
    own = [clip for clip in clips if clip.corpus == name]
    found = tuple(dict.fromkeys([*(clip.emotion for clip in own), *voted(own)]))
    if declared is None:
        return Corpus(name, found)
    return Corpus(name, declared.emotions or found, declared.licence, declared.source)


def _require_told(clips: Sequence[Clip], corpora: Sequence[Corpus], manifest: Path) -> None:
    told = {corpus.name: set(corpus.emotions) for corpus in corpora}
    for clip in clips:
        strange = {clip.emotion, *dict(clip.votes)} - told.get(clip.corpus, {clip.emotion, *dict(clip.votes)})
        if strange:
            raise DataError(
                f"{clip.path}: {', '.join(sorted(strange))} is none of the emotions of {clip.corpus} in "
                f"{path_beside(manifest)}"
            )
