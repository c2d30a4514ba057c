"""Readers of data sets by entry point: the files and folders that each recognises, and what it finds there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.plugins import OWN, Group
from training_pipeline.data import crema_d, nemo
from training_pipeline.data.clips import Clip, read_clips, require_label
from training_pipeline.data.dataset import Corpus, DataSet
from training_pipeline.data.declared import with_declared
from training_pipeline.data.folds import HELD_OUT
from training_pipeline.data.ravdess import EMOTIONS, read_ravdess
from training_pipeline.data.several import combined
from training_pipeline.errors import DataError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reader:
    """One kind of data set, registered under its name as an entry point of the group `speech_emotion.data_readers`.

    `recognises` is asked about every file or folder that is to be read: it looks at names, not into recordings. `read`
    raises DataError, which names the file, for what is not as it should be.
    """

    name: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], DataSet]


READERS = Group[Reader](
    "speech_emotion.data_readers",
    "reader of data sets",
    lambda loaded: isinstance(loaded, Reader),
    lambda reader: reader.name,
)


def read_data(source: Path, reader: str | None = None) -> DataSet:
    """Read a file or folder by the named reader, or else by the one that recognises it.

    The project's own readers take any file for a manifest and any folder that is neither CREMA-D nor nEMO for RAVDESS,
    so others go before them. Raises DataError, also if several others recognise it; PluginError if a reader cannot be
    imported.
    """
    if not source.is_file() and not source.is_dir():
        raise DataError(f"{source}: no such file or folder, or something that is neither")
    chosen = _named(reader) if reader is not None else _recognising(source)
    data = chosen.read(source)
    _check(data, source, chosen.name)
    if data.skipped:
        _log.warning("%s: %d other files skipped", source, data.skipped)
    return data


def read_all(sources: Sequence[Path]) -> DataSet:
    """Read data sets side by side; see `read_data` and `several.combined`.

    Raises DataError, also for one that is given twice.
    """
    if len({source.resolve() for source in sources}) < len(sources):
        raise DataError(f"a data set is given twice: {', '.join(map(str, sources))}")
    return combined({source: read_data(source) for source in sources})


def read_to_train(sources: Sequence[Path]) -> DataSet:
    """What `read_all` reads, without clips that are marked `test`: how many these are is logged. Raises DataError."""
    data = read_all(sources)
    kept = data.without_held_out()
    if left_out := len(data.clips) - len(kept.clips):
        _log.warning("%d clips are left out, as their split is `%s`; %d are used", left_out, HELD_OUT, len(kept.clips))
    return kept


def _named(name: str) -> Reader:
    if name not in READERS.names():
        raise DataError(f"no reader of data sets {name!r} is installed: there are {', '.join(READERS.names())}")
    return READERS.load(name)


def _recognising(source: Path) -> Reader:
    found = [reader for reader in map(READERS.load, READERS.names()) if reader.recognises(source)]
    own = [reader for reader in found if READERS.provider(reader.name).startswith(f"{OWN} ")]
    others = [reader for reader in found if reader not in own]
    if len(others) > 1:
        named = ", ".join(f"{reader.name} ({READERS.provider(reader.name)})" for reader in others)
        raise DataError(f"{source} is recognised by {named}: write a manifest with `ser manifest --reader NAME`")
    if not found:
        raise DataError(f"{source} is recognised by none of {', '.join(READERS.names())}")
    return (others or own)[0]


def _check(data: DataSet, source: Path, reader: str) -> None:
    """What every step after it relies on, whoever wrote the reader."""
    if not data.clips:
        raise DataError(f"{source}: the reader {reader} found no clips")
    for clip in data.clips:
        if clip.emotion not in data.emotions:
            raise DataError(f"{clip.path}: {clip.emotion!r} is none of the emotions that the reader {reader} names")
        try:
            require_label(clip.emotion)
        except ValueError as error:
            raise DataError(f"{clip.path}: {error}") from error
        if not clip.speaker:
            raise DataError(f"{clip.path}: the reader {reader} names no speaker")
        if not clip.path.is_file():
            raise DataError(f"{clip.path}, which the reader {reader} found, does not exist")


def _read_manifest(source: Path) -> DataSet:
    return with_declared(source, read_clips(source))


def _read_ravdess(source: Path) -> DataSet:
    found = read_ravdess(source)
    return DataSet(found.clips, EMOTIONS, skipped=found.skipped)


def _read_crema_d(source: Path) -> DataSet:
    corpus = Corpus(crema_d.NAME, crema_d.EMOTIONS, crema_d.LICENCE, crema_d.CITATION)
    return _of_corpus(corpus, *crema_d.read_crema_d(source))


def _read_nemo(source: Path) -> DataSet:
    return _of_corpus(Corpus(nemo.NAME, nemo.EMOTIONS, nemo.LICENCE, nemo.CITATION), *nemo.read_nemo(source))


def _of_corpus(corpus: Corpus, clips: Sequence[Clip], skipped: int) -> DataSet:
    return DataSet(clips, corpus.emotions, skipped=skipped, corpora=(corpus,))


def _is_ravdess(source: Path) -> bool:
    return source.is_dir() and not any(reader.recognises(source) for reader in (CREMA_D, NEMO))


MANIFEST = Reader("manifest", Path.is_file, _read_manifest)
CREMA_D = Reader("crema-d", lambda source: source.is_dir() and crema_d.is_crema_d(source), _read_crema_d)
NEMO = Reader("nemo", lambda source: source.is_dir() and nemo.is_nemo(source), _read_nemo)
RAVDESS = Reader("ravdess", _is_ravdess, _read_ravdess)
