"""A list of clips as a CSV, the manifest: `path, label, speaker`, and optionally `sex` and `split`.

The column `label` holds the emotion.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training_pipeline.errors import DataError

REQUIRED = ("path", "label", "speaker")
COLUMNS = (*REQUIRED, "sex", "split")


@dataclass(frozen=True)
class Clip:
    """One recording and the emotion it was labelled with; `sex` and `split` are empty where unknown."""

    path: Path
    emotion: str
    speaker: str
    sex: str = ""
    split: str = ""


def write_clips(path: Path, clips: Sequence[Clip]) -> None:
    """Write clips as CSV; paths below the manifest's folder are written relative to it."""
    folder = path.resolve().parent
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for clip in clips:
            absolute = clip.path.resolve()
            shown = absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute
            writer.writerow([shown, clip.emotion, clip.speaker, clip.sex, clip.split])


def read_clips(path: Path) -> list[Clip]:
    """Read a manifest, or any CSV with its columns; relative paths count from its folder.

    Raises DataError, naming the line, for a missing column, an empty field or a file that is not there.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{path}: no column {', '.join(missing)}; needed are {', '.join(REQUIRED)}")
        clips = [_clip(row, path, number) for number, row in enumerate(reader, start=2)]
    if not clips:
        raise DataError(f"{path}: no clips")
    return clips


def _clip(row: dict[str, str | None], manifest: Path, line: int) -> Clip:
    fields = {name: (row.get(name) or "").strip() for name in COLUMNS}
    empty = [name for name in REQUIRED if not fields[name]]
    if empty:
        raise DataError(f"{manifest}, line {line}: {', '.join(empty)} is empty")
    path = manifest.parent / fields["path"]
    if not path.is_file():
        raise DataError(f"{manifest}, line {line}: {fields['path']} is not there")
    return Clip(path, fields["label"], fields["speaker"], fields["sex"], fields["split"])
