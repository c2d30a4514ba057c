"""A version's `manifest.json`: every file with its size and SHA-256, written last."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from speech_emotion.errors import StoreError
from speech_emotion.store.errors import DamagedVersionError
from speech_emotion.store.names import checked_path

NAME = "manifest.json"


@dataclass(frozen=True)
class File:
    """One file of a version."""

    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        if not re.fullmatch("[0-9a-f]{64}", self.sha256):
            raise ValueError(f"{self.sha256!r} is not a SHA-256")
        if isinstance(self.bytes, bool) or not self.bytes >= 0:
            raise ValueError(f"{self.bytes!r} is not a number of bytes")


@dataclass(frozen=True)
class Manifest:
    """What a version is made of. `created` is UTC, ISO 8601.

    Raises StoreError for a path that leads out of the version's folder.
    """

    files: dict[str, File]
    created: str

    def __post_init__(self) -> None:
        for path in self.files:
            if checked_path(path) == NAME:
                raise StoreError(f"{NAME} cannot list itself")

    @classmethod
    def of(cls, folder: Path) -> Manifest:
        """Read every file below `folder`, an older manifest aside."""
        paths = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / NAME)
        files = {path.relative_to(folder).as_posix(): _file(path) for path in paths}
        return cls(files, datetime.now(UTC).isoformat(timespec="seconds"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """Parse; raises DamagedVersionError on anything else than what `to_json` writes."""
        try:
            fields = json.loads(text)
            if datetime.fromisoformat(fields["created"]).tzinfo is None:
                raise ValueError("created has no time zone")
            return cls({name: File(**file) for name, file in fields["files"].items()}, fields["created"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedVersionError(f"{NAME} cannot be read: {error}") from error

    def to_json(self) -> str:
        """As text, the same for the same version."""
        return json.dumps({"schema": 1, **asdict(self)}, indent=1, sort_keys=True) + "\n"

    @property
    def digest(self) -> str:
        """SHA-256 over names and contents, whenever they were written."""
        lines = "".join(f"{name} {file.sha256}\n" for name, file in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files.values())

    def check(self, folder: Path) -> None:
        """Raise DamagedVersionError, naming the files, unless `folder` holds exactly these."""
        found = Manifest.of(folder).files
        wrong = sorted(name for name in found.keys() | self.files.keys() if found.get(name) != self.files.get(name))
        if wrong:
            raise DamagedVersionError(f"{folder} does not match its manifest: {', '.join(wrong[:5])}")


def _file(path: Path) -> File:
    with path.open("rb") as file:
        return File(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
