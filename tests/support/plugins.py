"""Distributions made up for tests: as pip leaves them on a path, with entry points and modules."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "docs" / "examples" / "plugin"
OURS = f"speech-emotion-serving {metadata.version('speech-emotion-serving')}"
"""How a plug-in of the project itself names its distribution."""


def write_distribution(
    folder: Path, name: str, entry_points: Mapping[str, Mapping[str, str]], modules: Mapping[str, str] | None = None
) -> Path:
    """Write version 1.0 of a distribution into `folder`, entry points by group and name; returns `folder`."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    groups = (
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in entry_points.items()
    )
    (info / "entry_points.txt").write_text("\n".join(groups))
    for module, text in (modules or {}).items():
        (folder / f"{module}.py").write_text(text)
    return folder


def install_example(target: Path) -> Path:
    """Install the documentation's example distribution as a team would, into the folder `target`."""
    source = shutil.copytree(EXAMPLE, target.with_name(f"{target.name}-source"))
    options = ("-q", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", target, source]
    done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONWARNINGS": "ignore"}, timeout=120)
    assert done.returncode == 0, done.stderr
    return target
