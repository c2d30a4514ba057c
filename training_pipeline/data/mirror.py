"""A data set in a bucket, brought to a local folder that holds what the bucket holds and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from training_pipeline.errors import DataError

_SEEN = ".mirrored.json"
"""What the bucket said of each file when it was copied."""


def local_copy(location: str, folder: Path) -> Path:
    """The data set as a local path: `location` itself, or a bucket's folder or manifest mirrored to `folder`.

    A manifest in a bucket brings the folder it lies in. What the bucket no longer holds is deleted from `folder`, so
    that a withdrawn recording is never trained on; what has not changed since the last call is not copied again.
    Raises DataError, also if `folder` has files and was not made by this function.
    """
    if "://" not in location:
        return Path(location)
    import fsspec

    parent, _, name = location.rstrip("/").rpartition("/")
    is_manifest = name.endswith(".csv")
    try:
        files, root = fsspec.core.url_to_fs(parent if is_manifest else location)
        _mirror(files, root.rstrip("/"), folder)
    except (OSError, ImportError, ValueError) as error:
        raise DataError(f"{location} cannot be fetched: {error}") from error
    return folder / name if is_manifest else folder


def local_copies(locations: Sequence[str], folder: Path) -> list[Path]:
    """A local path for each location; of several, each has a folder of its own, called as in its bucket.

    Raises DataError.
    """
    if len(locations) == 1:
        return [local_copy(locations[0], folder)]
    return [local_copy(one, folder / str(number) / _called(one)) for number, one in enumerate(locations)]


def _called(location: str) -> str:
    """The last folder of a location, which names a corpus."""
    folders = [part for part in location.rstrip("/").split("/") if not part.endswith(".csv")]
    return folders[-1] if folders and folders[-1] not in ("", ".", "..") else "data"


def _mirror(files: Any, root: str, folder: Path) -> None:
    files.invalidate_cache()
    found = files.find(root, detail=True).items()
    # A key that ends in a slash stands for a folder; consoles make such.
    held = {_relative(path, root): info for path, info in found if not path.endswith("/")}
    if not held:
        raise FileNotFoundError("there is nothing")
    marks = {name: hashlib.sha256(repr(sorted(info.items())).encode()).hexdigest() for name, info in held.items()}
    seen = _begin(folder)
    for path in sorted(folder.rglob("*"), reverse=True):
        # Folders come behind what lies in them.
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif (name := path.relative_to(folder).as_posix()) not in marks and name != _SEEN:
            path.unlink()
    for name, mark in marks.items():
        target = folder / name
        if seen.get(name) != mark or not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            files.get_file(f"{root}/{name}", str(target))
    (folder / _SEEN).write_text(json.dumps(marks))


def _relative(path: str, root: str) -> str:
    """A file's name below `root`. Raises ValueError for one that would lie outside of it."""
    name = PurePosixPath(path).relative_to(root)
    if ".." in name.parts or str(name) == _SEEN:
        raise ValueError(f"{path} is not a name that a file of a data set may have")
    return str(name)


def _begin(folder: Path) -> dict[str, str]:
    """What was copied to `folder` before, which is marked as a copy. Raises ValueError for a folder of other files."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = folder / _SEEN
    if not seen.is_file():
        if any(folder.iterdir()):
            raise ValueError(f"{folder} has files that are not a copy of a bucket, and stays as it is")
        seen.write_text("{}")  # also for a copy that is interrupted
    try:
        return dict(json.loads(seen.read_text()))
    except ValueError:
        return {}
