"""`--data`: a manifest, or a folder of RAVDESS."""

from __future__ import annotations

import logging
from pathlib import Path

from training_pipeline.data.manifest import Clip, labels_of, read_manifest
from training_pipeline.data.ravdess import LABELS, read_ravdess
from training_pipeline.errors import DataError

_log = logging.getLogger(__name__)


def local_copy(source: str, folder: Path) -> Path:
    """The data set as a local path: `source` itself, or a bucket's folder or manifest copied to `folder`.

    A manifest in a bucket brings the folder it lies in. Raises DataError.
    """
    if "://" not in source:
        return Path(source)
    import fsspec

    parent, _, name = source.rstrip("/").rpartition("/")
    is_manifest = name.endswith(".csv")
    try:
        files, root = fsspec.core.url_to_fs(parent if is_manifest else source)
        files.get(f"{root.rstrip('/')}/", f"{folder}/", recursive=True)
    except (OSError, ImportError, ValueError) as error:
        raise DataError(f"{source} cannot be fetched: {error}") from error
    return folder / name if is_manifest else folder


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
