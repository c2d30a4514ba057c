"""`--data`: a manifest, or a folder of RAVDESS."""

from __future__ import annotations

import logging
from pathlib import Path

from training_pipeline.data.manifest import Clip, labels_of, read_manifest
from training_pipeline.data.ravdess import LABELS, read_ravdess
from training_pipeline.errors import DataError

_log = logging.getLogger(__name__)


def read_data(source: Path) -> tuple[list[Clip], tuple[str, ...]]:
    """Clips and labels of a CSV manifest or a RAVDESS folder. Raises DataError."""
    if source.is_file():
        clips = read_manifest(source)
        return clips, labels_of(clips)
    if not source.is_dir():
        raise DataError(f"{source}: no such file or folder")
    found = read_ravdess(source)
    if found.skipped:
        _log.warning("%s: %d other files skipped", source, found.skipped)
    return found.clips, LABELS
