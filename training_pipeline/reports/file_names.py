"""Names of pictures, made from names of emotions and models, which may hold any character."""

from __future__ import annotations

import re
from collections.abc import Sequence

LONGEST = 60


def file_name(kind: str, name: str) -> str:
    """`KIND-NAME.png`, with a hyphen for what file systems and links do not take, such as the slash of a trial."""
    return f"{kind}-{_plain(name)}.png"


def file_names(kind: str, names: Sequence[str]) -> dict[str, str]:
    """A file name for each name; a number tells names apart that would share one, whatever the case."""
    found: dict[str, str] = {}
    for name in names:
        taken = {other.casefold() for other in found.values()}
        number, own = 1, file_name(kind, name)
        while own.casefold() in taken:
            number += 1
            own = f"{kind}-{_plain(name)}-{number}.png"
        found[name] = own
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", name)[:LONGEST] or "-"
