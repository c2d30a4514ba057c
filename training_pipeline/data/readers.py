"""Readers of data sets by entry point: the files and folders that each recognises, and what it finds there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from speech_emotion.plugins import OWN, Group
from training_pipeline.data.clips import read_clips
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.ravdess import EMOTIONS, read_ravdess
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

    The project's own readers take any file for a manifest and any folder for RAVDESS, so others go before them. Raises
    DataError, also if several others recognise it; PluginError if a reader cannot be imported.
    """
    if not source.is_file() and not source.is_dir():
        raise DataError(f"{source}: no such file or folder, or something that is neither")
    chosen = _named(reader) if reader is not None else _recognising(source)
    data = chosen.read(source)
    _check(data, source, chosen.name)
    if data.skipped:
        _log.warning("%s: %d other files skipped", source, data.skipped)
    return data


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
        if not clip.speaker:
            raise DataError(f"{clip.path}: the reader {reader} names no speaker")
        if not clip.path.is_file():
            raise DataError(f"{clip.path}, which the reader {reader} found, is not there")


def _read_manifest(source: Path) -> DataSet:
    clips = read_clips(source)
    return DataSet(clips, tuple(dict.fromkeys(clip.emotion for clip in clips)))


def _read_ravdess(source: Path) -> DataSet:
    found = read_ravdess(source)
    return DataSet(found.clips, EMOTIONS, skipped=found.skipped)


MANIFEST = Reader("manifest", Path.is_file, _read_manifest)
RAVDESS = Reader("ravdess", Path.is_dir, _read_ravdess)
