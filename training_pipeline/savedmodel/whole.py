"""Folders that a step makes, which appear whole or not at all."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speech_emotion.files import whole_folder
from training_pipeline.errors import WorkFolderError


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` once everything is in it; what was there before goes.

    Raises WorkFolderError if it cannot be written.
    """
    try:
        with whole_folder(folder) as temporary:
            yield temporary
    except _failures() as error:
        said = str(error).splitlines()[0]
        raise WorkFolderError(f"{folder} cannot be written: {said}") from error


def _failures() -> tuple[type[Exception], ...]:
    # TensorFlow writes some of the folders. Where it was not imported, it cannot have failed either.
    tensorflow = sys.modules.get("tensorflow")
    return (OSError, tensorflow.errors.OpError) if tensorflow else (OSError,)
