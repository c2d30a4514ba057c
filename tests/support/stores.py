"""Model stores with tiny versions that are no real SavedModels: what they hold does not matter to the store."""

from __future__ import annotations

from pathlib import Path


def write_version(folder: Path, content: str = "one") -> Path:
    """A folder that looks like a SavedModel to the store."""
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text(content)
    (folder / "variables" / "variables.index").write_text(content * 3)
    return folder
