"""Folders in which an interrupted training finds what it had."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from training_pipeline.cache import in_use
from training_pipeline.training.job import Job

_log = logging.getLogger(__name__)


@contextmanager
def checkpoints(job: Job, folder: Path, *, keep: bool) -> Iterator[Path]:
    """The folder of this very job below `folder`, where an interrupted training goes on; once done it goes, or `keep`.

    A block that raises leaves it as it is.
    """
    own = folder / job.folder_name
    if any(own.glob("**/*.npz")):
        _log.warning("resuming from the checkpoints in %s", own)
    with in_use(own):
        yield own
    if not keep:
        shutil.rmtree(own, ignore_errors=True)
