"""A reader of data sets: folders as a team keeps them, `EMOTION/SPEAKER-NUMBER.wav` beside a file `acme.txt`."""

from __future__ import annotations

from pathlib import Path

from training_pipeline.data.clips import Clip
from training_pipeline.data.dataset import DataSet
from training_pipeline.data.readers import Reader
from training_pipeline.errors import DataError

MARK = "acme.txt"
"""Lists the emotions, one a line, in the order of a model's outputs."""


def recognises(source: Path) -> bool:
    """Whether this is a folder of ours; nobody else's has the file."""
    return (source / MARK).is_file()


def read(source: Path) -> DataSet:
    """All clips of the emotions that are listed."""
    emotions = tuple((source / MARK).read_text(encoding="utf-8").split())
    if len(emotions) < 2:
        raise DataError(f"{source / MARK} lists {len(emotions)} emotions: two or more are needed")
    paths = [path for emotion in emotions for path in sorted((source / emotion).glob("*-*.wav"))]
    return DataSet([Clip(path, path.parent.name, path.stem.split("-")[0]) for path in paths], emotions)


FOLDERS = Reader("acme_folders", recognises, read)
