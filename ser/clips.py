"""Which clips the arguments of `ser predict` name, and how each is called."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from speech_emotion.input_files import find_files

STDIN = "-"


class UsageError(Exception):
    """The arguments name no clip, no model store or no service."""


@dataclass(frozen=True)
class Clip:
    """A clip: its path, how a table calls it, and why it is not asked for, if that is known already."""

    name: str
    shown: str
    problem: OSError | None = None


def standard_input() -> BinaryIO:
    """Standard input, as bytes. Raises OSError if it is closed."""
    if sys.stdin is None:
        raise OSError(None, "standard input is closed")
    return sys.stdin.buffer


def find_clips(inputs: Sequence[str]) -> list[Clip]:
    """The clips that arguments name: files as they are, audio files of folders in order of path, `-`; each once.

    A file that is named is sent whatever its suffix. A table calls the files of folders by their path below the
    folder, or below what several folders have in common.

    Raises UsageError for an empty name, and for a folder without audio.
    """
    if "" in inputs:
        raise UsageError("a name is empty")
    folders = [name for name in inputs if name != STDIN and _has_kind(name, stat.S_ISDIR)]
    above = os.path.commonpath([Path.cwd() / name for name in folders]) if folders else ""
    found: dict[str, Clip] = {}
    for name in inputs:
        clips = _clips_of(name, above) if name in folders else [Clip(name, name)]
        for clip in clips:
            found.setdefault(clip.name, clip)
    return list(found.values())


def _clips_of(folder: str, above: str) -> list[Clip]:
    from speech_emotion.audio.kinds import SUFFIXES  # it brings the decoders, which only folders need

    unread: list[OSError] = []
    files = [path for path in find_files(folder, unread.append) if path.suffix.lower() in SUFFIXES]
    clips = [Clip(str(path), os.path.relpath(path, above), _problem(path)) for path in files]
    clips += [Clip(str(error.filename), os.path.relpath(error.filename, above), error) for error in unread]
    if not clips:
        raise UsageError(f"{folder} holds no audio file ({' '.join(sorted(SUFFIXES))})")
    return sorted(clips, key=lambda clip: Path(clip.name))


def _problem(path: Path) -> OSError | None:
    # Nobody may ever write to it; whoever names it knows that somebody does.
    if _has_kind(path, stat.S_ISFIFO):
        return OSError(None, "it is a named pipe, which is read only where it is named itself", str(path))
    return None


def _has_kind(path: str | Path, is_kind: Callable[[int], bool]) -> bool:
    try:
        return is_kind(Path(path).stat().st_mode)
    except OSError:
        return False  # to read it will say why


def printable(name: str) -> str:
    """A name for people: bytes that are not UTF-8 and control characters become escapes, as in `caf\\xe9`."""
    text = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
