"""Drops TensorFlow's notices on standard error while it is imported, because they tell a user nothing.

They come from C++ before any setting of the log level counts. Everything else, above all errors, gets through.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# A process of its own forwards all the rest, even if this one is aborted in the middle of a message.
_FILTER = r"""
import re, sys
notices = (rb"WARNING: All log messages before absl", rb"[IW]\d{4} \d", rb"To enable the following instructions",
           rb"E\d{4} .*failed call to cuInit")
for line in sys.stdin.buffer:
    if not re.match(rb"|".join(notices), line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""


@contextmanager
def without_notices() -> Iterator[None]:
    """While the block runs, drop TensorFlow's notices from standard error and forward all else."""
    try:
        kept = os.dup(2)
    except OSError:  # closed: nobody reads it
        yield
        return
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-S", "-c", _FILTER]
    with subprocess.Popen(command, stdin=reading, stdout=kept):  # noqa: S603
        os.close(reading)
        os.dup2(writing, 2)
        os.close(writing)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def import_quietly() -> None:
    """Drop TensorFlow's notices when any module imports it, and its information and warnings afterwards."""
    logging.getLogger("tensorflow").setLevel(logging.WARNING)  # "Assets written to" is information
    if "tensorflow" not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Finds TensorFlow where Python does."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == "tensorflow" else None
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader)
        return spec


class _QuietLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with without_notices(), _errors_alone():
            self._loader.exec_module(module)
            # This looks for a GPU. If there is none, CUDA's library reports that as an error.
            module.config.list_physical_devices()


@contextmanager
def _errors_alone() -> Iterator[None]:
    """TensorFlow reads the level once; left in the environment, it would silence a server that is started later."""
    if LEVEL in os.environ:
        yield
        return
    os.environ[LEVEL] = "2"  # errors, without information and warnings
    try:
        yield
    finally:
        del os.environ[LEVEL]
