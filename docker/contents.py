"""Prints a table of what is in an image: `docker run --rm -i --entrypoint python IMAGE - < docker/contents.py`.

Sizes are of the files that are there now, with their bytecode, in MB of 10^6 bytes.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

OWN = "speech-emotion-serving"
LEAST_BYTES = 1_000_000


def main() -> None:
    """Print the table."""
    print("\n".join(["| package | version | MB | needed by |", "|---|---|---|---|", *rows()]))  # noqa: T201


def rows() -> Iterator[str]:
    """The packages of at least a megabyte, the rest as one row, then the project's own folders."""
    found = {name_of(each): each for each in distributions()}
    needed_by: dict[str, set[str]] = {name: set() for name in found}
    for parent, each in found.items():
        for wanted in each.requires or ():
            if parent == OWN or "extra ==" not in wanted:
                needed_by.setdefault(normal(re.split(r"[^\w.-]", wanted)[0]), set()).add(parent)
    sizes = {name: size_of(each) for name, each in found.items() if name != OWN}
    large = sorted((name for name in sizes if sizes[name] >= LEAST_BYTES), key=lambda name: -sizes[name])
    for name in large:
        parents = needed_by[name] or {OWN}
        shown = "this project" if OWN in parents else ", ".join(sorted(parents))
        yield f"| {name} | {found[name].version} | {sizes[name] / 1e6:.1f} | {shown} |"
    rest = [size for name, size in sizes.items() if name not in large]
    yield f"| {len(rest)} others | | {sum(rest) / 1e6:.1f} | |"
    yield f"| all packages | | {sum(sizes.values()) / 1e6:.0f} | |"
    for folder in filter(Path.exists, map(Path, ("/opt/app", "/opt/models"))):
        total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        yield f"| `{folder}` | | {total / 1e6:.1f} | |"


def size_of(owner: Distribution) -> int:
    """Bytes of a distribution's files and of their bytecode, without files that were removed."""
    total = 0
    for file in owner.files or ():
        path = Path(str(owner.locate_file(str(file))))
        beside = [Path(importlib.util.cache_from_source(str(path)))] if path.suffix == ".py" else []
        total += sum(each.stat().st_size for each in (path, *beside) if each.is_file())
    return total


def name_of(found: Distribution) -> str:
    """Its name as locks write it."""
    return normal(found.metadata["Name"])


def normal(name: str) -> str:
    """A name as locks write it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
