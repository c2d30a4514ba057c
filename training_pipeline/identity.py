"""The one scheme that names checkpoints and cached work, and what the code says of its own revision.

A name is a digest of all that the work follows from. Code counts by its contents, not by its revision: two different
edits of one commit have the same revision, but not the same sources.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import platform
import subprocess
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

IMAGE_VERSION = Path("/opt/version")
"""`VERSION REVISION`, which the image's build writes (`Dockerfile.pipeline`)."""
UNKNOWN = "unknown"
PACKAGE = Path(__file__).parent
_OWN = {"speech_emotion", "training_pipeline"}
_LIBRARIES = ("keras", "numpy", "scikit-learn", "scipy", "soxr", "tensorflow")


def identity(*parts: object) -> str:
    """A name of 16 hexadecimal digits for work that follows from `parts`, which JSON can hold, and from nothing else.

    >>> identity("mlp", 0) == identity("mlp", 0) != identity("mlp", 1)
    True
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@cache
def sources(*modules: str) -> str:
    """SHA-256 over the names and contents of every file of packages or modules, committed or not, data files too.

    Raises ModuleNotFoundError. The answer is kept for the life of the process, as its code is.
    """
    digest = hashlib.sha256()
    for module in sorted(set(modules)):
        for name, path in _files(module):
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def packages_of(*things: object) -> tuple[str, ...]:
    """The packages of functions, partial functions, classes and instances that other distributions brought, sorted."""
    modules = {str(getattr(_unwrapped(thing), "__module__", type(thing).__module__)) for thing in things}
    return tuple(sorted({module.partition(".")[0] for module in modules} - _OWN - {"__main__", "builtins"}))


def _unwrapped(thing: object) -> object:
    return _unwrapped(thing.func) if isinstance(thing, partial) else thing


def _files(module: str) -> list[tuple[str, Path]]:
    found = importlib.util.find_spec(module)
    if found is None:
        raise ModuleNotFoundError(f"no module {module}", name=module)
    if not found.submodule_search_locations:
        return [(module, Path(found.origin))] if found.origin else []
    folders = [Path(location) for location in found.submodule_search_locations]
    files = [
        (f"{module}/{path.relative_to(folder).as_posix()}", path)
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]
    return sorted(files)


@cache
def software() -> dict[str, str]:
    """Versions of Python and of the libraries that make the numbers."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}}


def _version(name: str) -> str:
    """Of a library, or of its distribution without CUDA where that is installed in its place (tensorflow-cpu)."""
    try:
        return version(name)
    except PackageNotFoundError:
        return version(f"{name}-cpu")


def revision() -> str:
    """The git revision of this code: what the image was built from, else that of the repository it is worked on in.

    `unknown` anywhere else, such as for a package that was installed inside of another project's repository.
    """
    if IMAGE_VERSION.is_file():
        return IMAGE_VERSION.read_text().split()[-1]
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != PACKAGE.parent.resolve() or not _git("ls-files", "__init__.py"):
        return UNKNOWN
    return _git("describe", "--always", "--dirty", "--abbrev=12") or UNKNOWN


def _git(*arguments: str) -> str:
    """What git prints; empty where it fails or is not there."""
    command = ["git", "-C", str(PACKAGE), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return ""
