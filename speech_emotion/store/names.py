"""What may be the name of a model, of a version's folder, and of a file in a version."""

from __future__ import annotations

import re
from collections.abc import Iterable

from speech_emotion.errors import StoreError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_DRIVE = re.compile(r"[A-Za-z]:")
_MAX_NUMBER = 2**63 - 1


def is_name(name: str) -> bool:
    """Whether a model may have this name, which is a folder's too."""
    return _NAME.fullmatch(name) is not None


def checked_name(name: str) -> str:
    """The model's name. Raises StoreError if it could lead out of the store."""
    if not is_name(name):
        raise StoreError(f"{name!r} is not a model name: use letters, digits, `.`, `_`, `-`, a letter or digit first")
    return name


def checked_path(path: str) -> str:
    """The path of a file in a version: relative, its parts separated by `/`.

    Raises StoreError if it leads out of the version's folder on any system, or cannot be a file's name.
    """
    plain = path.isprintable() and "\\" not in path and not _DRIVE.match(path)
    if not plain or any(part in ("", ".", "..") for part in path.split("/")):
        raise StoreError(f"{path!r} is not a path in a version: it must be relative, below the version's folder")
    return path


def numbered(names: Iterable[str]) -> set[int]:
    """The version numbers among the names of folders or files: decimal, without leading zeros, of 63 bits."""
    digits = (name for name in names if name.isascii() and name.isdigit() and len(name) <= len(str(_MAX_NUMBER)))
    return {number for name in digits if (number := int(name)) <= _MAX_NUMBER and str(number) == name}
